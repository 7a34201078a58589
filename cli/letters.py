"""Commands on dead letters: list, show, replay, resume."""

import json
from collections import Counter
from typing import get_args

import click

import agents.inbox
from agents.event_logger import EventLogger
from agents.inbox import Inbox
from agents.letters import Stored, every_letter, stored
from agents.places import Places
from agents.redrive import READER, Policy, Redrive, Redriven, State, handled_up_to, state_of
from cli.options import DIFFERENT, common, emit, settings_of
from cli.wiring import House, house
from streams.topics import DEAD_LETTERS, INBOX


@click.group()
def dlq() -> None:
    """The dead letters: what could not be taken, whole, with the reason."""


@dlq.command("list")
@click.option("--code", help="Only those with this code, such as out_of_range.")
@click.option("--max", "most", type=click.IntRange(1), default=100, help="Print at most so many (100).")
@common
def dlq_list(code: str | None, most: int, data: str | None, log: str | None, *, as_json: bool) -> None:
    """A letter a line: where it lies, what is wrong, where it came from; and how many there are of each code.

    What was written twice (a crash repeats) is marked and not counted; less those that were put back, it is how many records were refused.
    """
    codes: Counter[str] = Counter()
    printed = repeats = put_back = 0
    with house(settings_of(data, log)) as parts:
        handled = handled_up_to(parts.log, _places(parts))
        for found in every_letter(parts.log, parts.codec):
            told = _told(found, handled) | {"is_repeat": found.is_repeat}
            if code not in {None, told["code"]}:
                continue
            codes[str(told["code"])] += not found.is_repeat
            repeats += found.is_repeat
            put_back += bool(found.earlier) and not found.is_repeat
            if printed < most:
                printed += 1
                emit(told, _line(told), as_json=as_json)
    counts = "".join(f", {name} {count}" for name, count in codes.most_common())
    again = f"; {put_back} of them were put back" if put_back else ""
    again += f"; {repeats} more were written twice" if repeats else ""
    click.echo(f"dead letters: {codes.total()}, shown {printed}{counts}{again}", err=as_json)


@dlq.command("show")
@click.argument("position")
@common
def dlq_show(position: str, data: str | None, log: str | None, *, as_json: bool) -> None:
    """The letter at POSITION (PARTITION:OFFSET, as list prints it), with all its bytes."""
    partition, offset = _position(position)
    with house(settings_of(data, log)) as parts:
        first, end = (
            offsets.get(partition, 0)
            for offsets in (
                parts.log.first_offsets(DEAD_LETTERS.name),
                parts.log.end_offsets(DEAD_LETTERS.name),
            )
        )
        records = (
            parts.log.read(DEAD_LETTERS.name, partition, offset, offset + 1) if first <= offset < end else ()
        )
        found = [stored(parts.codec, record) for record in records]
        if not found:
            raise click.UsageError(f"no dead letter lies at {position}: see kymograph dlq list")
        told = _whole(found[0], handled_up_to(parts.log, _places(parts)))
    emit(told, "\n".join(f"{name:16} {_plain(value)}" for name, value in told.items()), as_json=as_json)


@dlq.command("replay")
@click.option(
    "--policy",
    type=click.Choice(get_args(Policy)),
    default="stop-on-error",
    help="For what is refused again: stop (the default), put it behind the others as one more attempt, or pass it by for good.",
)
@click.option("--max", "most", type=click.IntRange(1), default=1000, help="Try at most so many (1000).")
@click.option("--dry-run", is_flag=True, help="Write nothing; say what would become of them.")
@common
def dlq_replay(
    policy: Policy, most: int, data: str | None, log: str | None, *, dry_run: bool, as_json: bool
) -> None:
    """Send letters of the inbox through the door once more; exit 1 if any is refused again."""
    with house(settings_of(data, log)) as parts:
        inbox = Inbox(_door(parts, dry_run=dry_run), parts.codec)
        redrive = Redrive(parts.log, parts.codec, inbox, _places(parts))
        click.echo(_announced(redrive.waiting(), most), err=True)
        done = redrive.run(policy, most, dry_run=dry_run)
        left = redrive.waiting()["waiting"]
    told = {
        "policy": policy,
        "dry_run": dry_run,
        "tried": done.tried,
        "accepted": done.accepted,
        "refused": done.refused,
        "codes": dict(done.codes),
        "final": done.final,
        "unreadable": done.unreadable,
        "repeats": done.repeats,
        "left": left,
        "stopped_at": f"{done.stopped_at.partition}:{done.stopped_at.offset}" if done.stopped_at else None,
    }
    emit(told, _summary(done, policy, left, dry_run=dry_run), as_json=as_json)
    if done.refused:
        raise SystemExit(DIFFERENT)


@dlq.command("resume")
@common
def dlq_resume(data: str | None, log: str | None, *, as_json: bool) -> None:
    """Let the inbox go on that stopped at too many dead letters: as many as the limits allow are diverted once more."""
    with house(settings_of(data, log)) as parts:
        marks = _of(parts, agents.inbox.GROUP, INBOX.name)
        stopped = marks.all()
        for partition, mark in stopped.items():
            marks.drop(partition)
            at = f"{partition}:{mark.offset}"
            emit({"resumed": at}, f"the inbox goes on at {at}", as_json=as_json)
    if not stopped:
        emit({"resumed": None}, "the inbox was not stopped", as_json=as_json)


def _places(parts: House) -> Places:
    """How far the letters were handled."""
    return _of(parts, READER, DEAD_LETTERS.name)


def _of(parts: House, reader: str, topic: str) -> Places:
    return Places(parts.logger().control, reader, topic, log=parts.settings.log)


def _door(parts: House, *, dry_run: bool) -> EventLogger:
    """A dry run keeps neither subjects nor sequence numbers: its control plane is in memory."""
    if dry_run:
        return EventLogger(parts.log, control_url="sqlite://", codec=parts.codec)
    return parts.logger()


def _announced(waiting: Counter[State], most: int) -> str:
    """The count first, so that nobody is surprised by how many."""
    text = f"{waiting['waiting']} letters wait; {min(most, waiting['waiting'])} are tried now"
    if waiting["final"]:
        text += f"; {waiting['final']} are of the log, which is immutable: they cannot be re-driven"
    if waiting["unreadable"]:
        text += f"; {waiting['unreadable']} cannot be read: see kymograph dlq show"
    return text


def _summary(done: Redriven, policy: Policy, left: int, *, dry_run: bool) -> str:
    codes = "".join(f", {name} {count}" for name, count in done.codes.most_common())
    did = "would be " if dry_run else ""
    text = (
        f"tried {done.tried}: {did}accepted {done.accepted}, refused again {done.refused}{codes}; {left} wait"
    )
    if done.stopped_at is not None:
        at = f"{done.stopped_at.partition}:{done.stopped_at.offset}"
        text += f"\nstopped at {at}: kymograph dlq show {at}; or go on with --policy reinsert or drop"
    elif done.refused:
        text += f"\nrefused ones: {policy}"
    return text


def _told(found: Stored, handled: dict[int, int]) -> dict[str, object]:
    """A letter without its bytes."""
    letter, flaw = found.letter, found.flaw
    place: dict[str, object] = {
        "position": f"{found.position.partition}:{found.position.offset}",
        "state": state_of(found, handled),
    }
    when: dict[str, object] = {"attempts": found.attempts, "time_ms": found.time_ms}
    if letter is None:
        assert flaw is not None
        return place | {"code": flaw.code, "pointer": flaw.pointer, "message": flaw.message} | when
    return {
        **place,
        "code": letter.code,
        "pointer": letter.pointer,
        "stage": letter.stage,
        "source_topic": letter.source_topic,
        "source_partition": letter.source_partition,
        "source_offset": letter.source_offset,
        "bytes": len(letter.value),
        **when,
    }


def _whole(found: Stored, handled: dict[int, int]) -> dict[str, object]:
    """A letter with its bytes: as hexadecimal digits, and as text where they are one."""
    told, letter = _told(found, handled), found.letter
    if letter is not None:
        told |= {"message": letter.message, "suggestion": letter.suggestion}
        told |= {"engine_version": letter.engine_version}
        for name, value in (("key", letter.key), ("value", letter.value)):
            told |= {f"{name}_hex": value.hex(), f"{name}_text": _text(value)}
    return told


def _text(value: bytes) -> str | None:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def _line(told: dict[str, object]) -> str:
    source = (
        f"{told['source_topic']} {told['source_partition']}:{told['source_offset']}"
        if "stage" in told
        else "-"
    )
    what = f"{told['code']} {told['pointer']}".rstrip()
    again = "  (written twice)" if told["is_repeat"] else ""
    return _plain(
        f"{told['position']}  {told['state']}  {what}  from {source}  attempts {told['attempts']}{again}"
    )


def _plain(value: object) -> str:
    """For a terminal: a sender's control characters must not reach it."""
    text = "-" if value is None else str(value)
    return text if text.isprintable() else json.dumps(text)


def _position(text: str) -> tuple[int, int]:
    partition, colon, offset = text.partition(":")
    if not (colon and partition.isdecimal() and offset.isdecimal() and len(text) < 30):
        raise click.UsageError(f"{text!r} is no position: write PARTITION:OFFSET, such as 3:17")
    return int(partition), int(offset)
