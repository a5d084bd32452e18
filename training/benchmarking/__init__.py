"""The parts of the benchmark: methods, cases, what is kept between runs, figures, tables and the page."""
