-- Orthanc sends every MR series to MIQA once it is stable (StableAge seconds without a new image). In orthanc.json:
--   "LuaScripts" : [ "/etc/orthanc/orthanc-forward.lua" ],
--   "DicomModalities" : { "miqa" : [ "MIQA", "192.0.2.10", 11112 ] }
-- MIQA lets it in when calling_ae_titles and calling_addresses name this Orthanc.
--
-- Orthanc does not try a failed transfer again by itself; look at /jobs, then: curl -X POST http://localhost:8042/jobs/ID/resubmit
function OnStableSeries(seriesId, tags, metadata)
   -- What MIQA writes back has other modalities (SR, KO, OT), so it never goes round in a circle.
   if tags['Modality'] == 'MR' then
      -- A job of its own: this function keeps Orthanc's other scripts waiting. Not permissive: a failure shall be seen.
      local job = { Resources = { seriesId }, Permissive = false, Synchronous = false }
      RestApiPost('/modalities/miqa/store', DumpJson(job, true))
   end
end
