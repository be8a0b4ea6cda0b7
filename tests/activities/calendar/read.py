"""Reads a calendar from standard input and writes what a calendar program would take from it, as JSON."""

import json
import sys
from datetime import datetime, timezone
from itertools import islice

from dateutil.rrule import rrulestr
from icalendar import Calendar

OCCURRENCES = 8


def main():
    calendar = Calendar.from_ical(sys.stdin.buffer.read())
    # As the calendar itself describes its zones, whatever this machine knows of them.
    zones = {str(zone["TZID"]): zone.to_tz(lookup_tzid=False) for zone in calendar.walk("VTIMEZONE")}
    entries = [entry(each, zones) for each in calendar.subcomponents if each.name in ("VEVENT", "VTODO")]
    errors = [str(error) for each in calendar.walk() for error in each.errors]
    json.dump({"entries": entries, "errors": errors, "zones": sorted(zones)}, sys.stdout)


def entry(component, zones):
    read = {"kind": component.name, "alarms": [alarm(each) for each in component.walk("VALARM")]}
    for name in ("UID", "SUMMARY", "DESCRIPTION", "STATUS", "TRANSP", "SEQUENCE", "PRIORITY"):
        if name in component:
            value = component[name]
            read[name.lower()] = int(value) if isinstance(value, int) else str(value)
    for name in ("DTSTART", "DTEND", "DUE", "COMPLETED", "DTSTAMP", "LAST-MODIFIED", "CREATED"):
        if name in component:
            read[name.lower()] = when(component[name], zones)
    if "CATEGORIES" in component:
        read["categories"] = [str(tag) for tag in component["CATEGORIES"].cats]
    if "RRULE" in component:
        read["rrule"] = component["RRULE"].to_ical().decode()
        read["occurrences"] = occurrences(component["DTSTART"], read["rrule"], zones)
    return read


def when(value, zones):
    """A day, or the moment by the calendar's own zone; where the reader knows the zone, it must agree."""
    moment = value.dt
    if not isinstance(moment, datetime):
        return moment.isoformat()
    zone = value.params.get("TZID")
    if zone is None:
        assert moment.tzinfo is not None, f"{moment} is of no zone"
        return utc(moment)
    own = utc(moment.replace(tzinfo=zones[zone]))
    known = utc(moment)
    assert own == known, f"{moment} of {zone} is {own} by the calendar and {known} by the tz database"
    return own


def utc(moment):
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def occurrences(value, rule, zones):
    start = value.dt
    if not isinstance(start, datetime):
        found = rrulestr(rule, dtstart=datetime(start.year, start.month, start.day))
        return [each.date().isoformat() for each in islice(found, OCCURRENCES)]
    zone = value.params.get("TZID")
    start = start if zone is None else start.replace(tzinfo=zones[zone])
    return [utc(each) for each in islice(rrulestr(rule, dtstart=start), OCCURRENCES)]


def alarm(component):
    trigger = component["TRIGGER"]
    related = trigger.params.get("RELATED", "START")
    if isinstance(trigger.dt, datetime):
        return {"at": utc(trigger.dt)}
    return {"minutes": int(trigger.dt.total_seconds() // 60), "related": related}


main()
