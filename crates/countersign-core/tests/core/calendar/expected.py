#!/usr/bin/env python3
"""What a second implementation says of the calendars in ics/: Python's icalendar and recurring-ical-events.

    expected.py make     writes ics/random.ics and expected.json
    expected.py check    compares expected.json with what the packages say now; exit 3 where they are not installed

Needs: pip install icalendar==7.3.2 recurring-ical-events==3.8.2 tzdata==2026.6
"""
import datetime as dt
import json
import pathlib
import random
import sys
import zoneinfo

# The database of the package and not of the machine, which may be older than the one in the program.
zoneinfo.reset_tzpath([])

HERE = pathlib.Path(__file__).parent
WINDOWS = {
    "rfc5545.ics": (dt.datetime(1997, 8, 1), dt.datetime(2003, 1, 1)),
    "random.ics": (dt.datetime(2025, 1, 1), dt.datetime(2028, 1, 1)),
}
WINDOW = (dt.datetime(2025, 6, 1), dt.datetime(2028, 6, 1))


def says(path):
    import icalendar
    import recurring_ical_events

    calendar = icalendar.Calendar.from_ical(path.read_bytes())
    zone = zoneinfo.ZoneInfo(str(calendar["X-WR-TIMEZONE"]))
    utc = dt.timezone.utc
    first, last = (moment.replace(tzinfo=utc) for moment in WINDOWS.get(path.name, WINDOW))

    def seconds(when):
        if not isinstance(when, dt.datetime):
            when = dt.datetime(when.year, when.month, when.day)
        if when.tzinfo is None:
            when = when.replace(tzinfo=zone)
        return int(when.timestamp())

    found = {}
    day = dt.timedelta(days=2)
    for event in recurring_ical_events.of(calendar).between(first - day, last + day):
        # It leaves those to whoever asks.
        if str(event.get("STATUS")) == "CANCELLED":
            continue
        start, end = seconds(event.start), seconds(event.end)
        if start < last.timestamp() and first.timestamp() < end:
            found.setdefault(str(event["SUMMARY"]), set()).add((start, end))
    told = {}
    for name, spans in sorted(found.items()):
        spans = sorted(spans)
        told[name] = {
            "count": len(spans),
            "first": list(spans[0]),
            "last": list(spans[-1]),
            "starts": sum(start for start, _ in spans),
            "ends": sum(end for _, end in spans),
        }
    return told


def everything():
    told = {}
    for path in sorted((HERE / "ics").glob("*.ics")):
        first, last = WINDOWS.get(path.name, WINDOW)
        utc = dt.timezone.utc
        window = [int(moment.replace(tzinfo=utc).timestamp()) for moment in (first, last)]
        told[path.name] = {"window": window, "events": says(path)}
    return told


DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
ZONES = ["Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca"]


def some(dice, values, most=3):
    return sorted(dice.sample(list(values), dice.randint(1, most)))


def signed(dice, values, most=3):
    return sorted(value * dice.choice([1, 1, -1]) for value in some(dice, values, most))


def rule(dice):
    frequency = dice.choice(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"])
    parts = {"FREQ": frequency}
    if dice.random() < 0.5:
        parts["INTERVAL"] = dice.randint(2, {"DAILY": 17, "WEEKLY": 6, "MONTHLY": 14, "YEARLY": 3}[frequency])
    if dice.random() < 0.4:
        parts["BYMONTH"] = some(dice, range(1, 13), 5)
    if frequency in ("MONTHLY", "YEARLY", "DAILY") and dice.random() < 0.3:
        parts["BYMONTHDAY"] = signed(dice, range(1, 32), 5)
    if frequency == "YEARLY" and dice.random() < 0.2:
        parts["BYYEARDAY"] = signed(dice, range(1, 367), 9)
    weeks = frequency == "YEARLY" and dice.random() < 0.3
    if weeks:
        parts["BYWEEKNO"] = signed(dice, range(1, 54), 6)
    if dice.random() < 0.5:
        days = dice.sample(DAYS, dice.randint(1, 3))
        if frequency in ("MONTHLY", "YEARLY") and not weeks and dice.random() < 0.5:
            days = [f"{dice.choice([1, 2, 3, 4, 5, -1, -2])}{day}" for day in days]
        parts["BYDAY"] = days
    if dice.random() < 0.2:
        parts["BYHOUR"] = some(dice, range(24))
    if dice.random() < 0.2:
        parts["BYMINUTE"] = some(dice, range(60), 2)
    by = [name for name in parts if name.startswith("BY")]
    if by and dice.random() < 0.3:
        parts["BYSETPOS"] = signed(dice, range(1, 5), 2)
    if dice.random() < 0.4:
        parts["WKST"] = dice.choice(DAYS)
    ending = dice.random()
    if ending < 0.3:
        parts["COUNT"] = dice.randint(1, 60)
    elif ending < 0.6:
        parts["UNTIL"] = f"2026{dice.randint(1, 12):02}{dice.randint(1, 28):02}T{dice.randint(0, 23):02}0000Z"
    text = lambda value: ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return ";".join(f"{name}={text(value)}" for name, value in parts.items())


def make_random():
    dice = random.Random(5545)
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//expected.py//EN", "X-WR-TIMEZONE:Europe/Berlin"]
    for number in range(200):
        zone = dice.choice(ZONES)
        start = dt.datetime(2025, 1, 1) + dt.timedelta(days=dice.randint(-900, 300), hours=dice.randint(0, 23), minutes=dice.choice([0, 0, 30]))
        lines += ["BEGIN:VEVENT", f"UID:{number}", f"SUMMARY:random-{number:03}"]
        lines += [f"DTSTART;TZID={zone}:{start:%Y%m%dT%H%M%S}"]
        end = start + dt.timedelta(hours=dice.choice([1, 8, 30]))
        lines += [f"DTEND;TZID={zone}:{end:%Y%m%dT%H%M%S}", f"RRULE:{rule(dice)}", "END:VEVENT"]
    lines += ["END:VCALENDAR", ""]
    (HERE / "ics" / "random.ics").write_bytes("\r\n".join(lines).encode())


def main():
    try:
        import icalendar, recurring_ical_events  # noqa: F401
    except ImportError as error:
        print(error)
        return 3
    expected = HERE / "expected.json"
    if sys.argv[1:] == ["make"]:
        make_random()
        lines = json.dumps(everything(), indent=1, sort_keys=True)
        expected.write_text(lines + "\n")
        return 0
    if json.loads(expected.read_text()) == json.loads(json.dumps(everything())):
        return 0
    print("expected.json is not what the packages say")
    return 1


sys.exit(main())
