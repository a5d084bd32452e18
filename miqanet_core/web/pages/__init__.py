"""The pages, one module each; a module's ``router`` is put into the application by :mod:`miqanet_core.web.app`."""
