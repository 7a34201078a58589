"""The wire: Avro schemas as data. ``avro/games`` is what happens, ``avro/records`` what the house itself writes."""
