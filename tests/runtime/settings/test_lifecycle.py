"""Our lifecycle rules among the rules of others: theirs stay byte for byte, and may not take what is needed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import oss2
import pytest

from bkpc_runtime.settings.lifecycle import rule_id
from bkpc_runtime.settings.lifecycle_document import rules_in
from tests.oss_server import OssServer
from tests.runtime.settings.wishes import NOTHING, looked, mended, settings, told

ID = rule_id("shop/")
THEIRS = """<Rule>
    <ID>logs of the web team</ID><Prefix>logs/&amp;</Prefix> <Status>Enabled</Status>
    <Expiration><Days>7</Days></Expiration>
    <!-- until the audit -->
  </Rule>"""
OTHER_PLAN = f"<Rule><ID>{rule_id('wiki/')}</ID><Prefix>wiki/</Prefix><Status>Enabled</Status>\
<AbortMultipartUpload><Days>5</Days></AbortMultipartUpload></Rule>"


def document(*rules: str) -> bytes:
    body = "\n  ".join(("<LifecycleConfiguration>", *rules))
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n</LifecycleConfiguration>'.encode()


def rule(what: str, prefix: str = "", status: str = "Enabled", more: str = "", name: str = "tidy") -> str:
    return f"<Rule><ID>{name}</ID><Prefix>{prefix}</Prefix><Status>{status}</Status>{more}{what}</Rule>"


def held(server: OssServer, *rules: str) -> None:
    """The bucket has these rules, as somebody wrote them."""
    server.buckets["backup"].settings.documents["lifecycle"] = document(*rules).decode()


def kept(server: OssServer) -> str:
    return server.buckets["backup"].settings.documents["lifecycle"]


def ours(days: int = 3) -> str:
    return rule(f"<AbortMultipartUpload><Days>{days}</Days></AbortMultipartUpload>", "shop/", name=ID)


class Recording:
    """What is sent, before the server puts it in its own form."""

    def __init__(self, server: OssServer) -> None:
        self.bucket, self.sent = settings(server), list[tuple[bytes, bool]]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.bucket, name)

    def put_lifecycle(self, document: bytes, *, overlaps: bool) -> None:
        self.sent.append((document, overlaps))
        self.bucket.put_lifecycle(document, overlaps=overlaps)


def test_a_bucket_without_rules(server: OssServer) -> None:
    assert told(server, NOTHING) == [
        f"+ lifecycle: below `shop/`, parts of uploads unfinished for 3 days dropped (rule {ID})"
    ]
    mended(server, NOTHING)
    (found,) = rules_in(settings(server).lifecycle())
    assert (found.id, found.prefix, found.enabled, found.aborts, found.expires) == (ID, "shop/", True, 3, None)
    assert looked(server, NOTHING) == []


def test_the_rules_of_others_stay_byte_for_byte(server: OssServer) -> None:
    from bkpc_runtime.settings import lifecycle

    held(server, THEIRS, OTHER_PLAN)
    bucket = Recording(server)
    lifecycle.mend(bucket, NOTHING)  # type: ignore[arg-type]
    ((sent, overlaps),) = bucket.sent
    assert sent == document(THEIRS, OTHER_PLAN).replace(b"</Rule>\n</Life", f"</Rule>{ours()}\n</Life".encode())
    assert not overlaps
    assert looked(server, NOTHING) == []


@pytest.mark.parametrize(("days", "signs"), [(30, []), (31, ["+"]), (3650, ["+"])])
def test_unfinished_uploads_are_left_to_others_that_drop_them_soon(
    server: OssServer, days: int, signs: list[str]
) -> None:
    theirs = f"<AbortMultipartUpload><Days>{days}</Days></AbortMultipartUpload>"
    held(server, rule(theirs, "", name="uploads of all"))
    assert [one.sign for one in looked(server, NOTHING)] == signs
    mended(server, NOTHING)
    assert looked(server, NOTHING) == []


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_rule_of_ours_that_was_changed_is_put_right_wherever_it_stands(server: OssServer, at: int) -> None:
    from bkpc_runtime.settings import lifecycle

    rules = [THEIRS, OTHER_PLAN]
    held(server, *rules[:at], ours(1), *rules[at:])
    assert told(server, NOTHING) == [
        f"~ lifecycle: below `shop/`, parts of uploads unfinished for 3 days dropped (rule {ID} says otherwise)"
    ]
    bucket = Recording(server)
    lifecycle.mend(bucket, NOTHING)  # type: ignore[arg-type]
    ((sent, _),) = bucket.sent
    for one in (THEIRS, OTHER_PLAN, ours(3)):
        assert sent.count(one.encode()) == 1
    assert ours(1).encode() not in sent
    assert looked(server, NOTHING) == []


@pytest.mark.parametrize(
    "wrong",
    [
        ours().replace("Enabled", "Disabled"),
        ours().replace("<Prefix>shop/", "<Prefix>shop/orders/"),
        ours().replace("</Rule>", "<Expiration><Days>100</Days></Expiration></Rule>"),
        ours().replace("</Rule>", "<Transition><Days>9</Days><StorageClass>IA</StorageClass></Transition></Rule>"),
        ours().replace("</Rule>", "<Tag><Key>a</Key><Value>b</Value></Tag></Rule>"),
        ours().replace(
            "</Rule>",
            "<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration></Rule>",
        ),
    ],
)
def test_what_was_done_to_our_rule_is_undone(server: OssServer, wrong: str) -> None:
    held(server, THEIRS, wrong)
    assert [one.sign for one in looked(server, NOTHING)] == ["~"]
    mended(server, NOTHING)
    assert [one.id for one in rules_in(kept(server).encode())] == ["logs of the web team", ID]
    assert looked(server, NOTHING) == []


def test_where_versions_are_kept_deleted_ones_go_in_time(server: OssServer, bucket: Any) -> None:
    mended(server, NOTHING)
    bucket.put_bucket_versioning(oss2.models.BucketVersioningConfig("Enabled"))
    assert told(server, NOTHING)[0].startswith(
        "~ lifecycle: below `shop/`, parts of uploads unfinished for 3 days and versions deleted for 30 days dropped"
    )
    mended(server, NOTHING)
    (found,) = rules_in(settings(server).lifecycle())
    assert (found.aborts, found.noncurrent, found.removes_markers, found.expires) == (3, 30, True, None)
    assert looked(server, NOTHING) == []


def test_delete_markers_that_nothing_is_below_belong_to_it(server: OssServer, bucket: Any) -> None:
    bucket.put_bucket_versioning(oss2.models.BucketVersioningConfig("Enabled"))
    mended(server, NOTHING)
    right = kept(server)
    marker = "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>"
    assert right.count(marker) == 1
    server.buckets["backup"].settings.documents["lifecycle"] = right.replace(marker, "")
    assert [one.sign for one in looked(server, NOTHING)] == ["~"]
    mended(server, NOTHING)
    assert kept(server).count(marker) == 1


def test_it_does_what_it_says_and_no_more(server: OssServer, bucket: Any) -> None:
    from datetime import timedelta

    bucket.put_bucket_versioning(oss2.models.BucketVersioningConfig("Enabled"))
    mended(server, NOTHING)
    bucket.put_object("shop/orders/live", b"x")
    bucket.put_object("shop/orders/gone", b"x")
    bucket.delete_object("shop/orders/gone")
    bucket.put_object("else/gone", b"x")
    bucket.delete_object("else/gone")
    bucket.init_multipart_upload("shop/orders/part")
    bucket.init_multipart_upload("else/part")
    server.advance(timedelta(days=29))
    assert [one.key for one in bucket.list_object_versions().versions].count("shop/orders/gone") == 1
    server.advance(timedelta(days=5))
    assert sorted(one.key for one in bucket.list_object_versions().versions) == ["else/gone", "shop/orders/live"]
    assert [one.key for one in bucket.list_multipart_uploads().upload_list] == ["else/part"]
    server.advance(timedelta(days=3))
    assert [one.key for one in bucket.list_object_versions().delete_marker] == ["else/gone"]


@pytest.mark.parametrize("prefix", ["", "shop/", "s"])
def test_unfinished_uploads_are_left_to_a_rule_of_others_that_drops_them(server: OssServer, prefix: str) -> None:
    held(server, rule("<AbortMultipartUpload><Days>7</Days></AbortMultipartUpload>", prefix), THEIRS)
    assert told(server, NOTHING) == []
    held(server, rule("<AbortMultipartUpload><Days>7</Days></AbortMultipartUpload>", prefix), ours())
    assert told(server, NOTHING) == [f"- lifecycle: below `shop/`, nothing dropped (rule {ID} is no longer needed)"]
    mended(server, NOTHING)
    assert [one.id for one in rules_in(kept(server).encode())] == ["tidy"]


@pytest.mark.parametrize(
    "other",
    [
        rule("<AbortMultipartUpload><Days>7</Days></AbortMultipartUpload>", "shop/", "Disabled"),
        rule("<AbortMultipartUpload><Days>7</Days></AbortMultipartUpload>", "shop/orders/"),
        rule(
            "<AbortMultipartUpload><Days>7</Days></AbortMultipartUpload>",
            more="<Tag><Key>a</Key><Value>b</Value></Tag>",
        ),
        rule(
            "<AbortMultipartUpload><Days>7</Days></AbortMultipartUpload>",
            more="<Filter><Not><Prefix>shop/plans/</Prefix></Not></Filter>",
        ),
    ],
)
def test_a_rule_that_does_not_do_it_for_us_gets_ours_beside_it(server: OssServer, other: str) -> None:
    held(server, other)
    mended(server, NOTHING)
    assert [one.id for one in rules_in(kept(server).encode())] == ["tidy", ID]
    assert looked(server, NOTHING) == []


DELETES = "<Expiration><Days>{}</Days></Expiration>"
MOVES = "<Transition><Days>{}</Days><StorageClass>{}</StorageClass></Transition>"
DROPS = "<AbortMultipartUpload><Days>{}</Days></AbortMultipartUpload>"


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (
            rule(DELETES.format(7)),
            "deletes what is below `shop/orders/` after 7 days (it is needed 16 days; keep it away",
        ),
        (rule(DELETES.format(15), "shop/"), "deletes what is below `shop/orders/` after 15 days"),
        (rule(DELETES.format(1), "shop/plans/a"), "deletes what is below `shop/plans/`"),
        (
            rule("<Expiration><CreatedBeforeDate>2030-01-01T00:00:00.000Z</CreatedBeforeDate></Expiration>", "s"),
            "deletes what is below `shop/orders/` by date",
        ),
        (rule(MOVES.format(5, "Archive")), "moves what is below `shop/orders/` to class Archive after 5 days"),
        (rule(MOVES.format(5, "ColdArchive"), "shop/o"), "to class ColdArchive after 5 days (its thaw"),
        (rule(DROPS.format(2)), "drops uploads below `shop/orders/` after 2 days (one may take 3 days"),
        (rule(DELETES.format(7), more="<Filter><Not><Prefix>logs/</Prefix></Not></Filter>"), "deletes what is below"),
        (
            rule(
                DELETES.format(7),
                more="<Filter><Not><Prefix>shop/</Prefix><Tag><Key>a</Key><Value>b</Value></Tag></Not></Filter>",
            ),
            "deletes what is below",
        ),
        (
            rule(DELETES.format(7), more="<Filter><ObjectSizeGreaterThan>500</ObjectSizeGreaterThan></Filter>"),
            "deletes what is below",
        ),
    ],
)
def test_a_rule_of_others_that_takes_what_is_needed_is_a_problem(server: OssServer, other: str, says: str) -> None:
    held(server, THEIRS, other)
    lines = [one.text for one in looked(server, NOTHING) if one.sign == "!"]
    assert lines
    assert lines[0].startswith("! lifecycle: rule `tidy`, which is not ours,")
    assert says in lines[0]


@pytest.mark.parametrize(
    "other",
    [
        rule(DELETES.format(16)),
        rule(DELETES.format(7), "logs/"),
        rule(DELETES.format(7), "shop/tmp/"),
        rule(DELETES.format(7), status="Disabled"),
        rule(DELETES.format(7), more="<Tag><Key>a</Key><Value>b</Value></Tag>"),
        rule(DELETES.format(7), more="<Filter><Not><Prefix>shop/</Prefix></Not></Filter>"),
        rule(MOVES.format(16, "DeepColdArchive")),
        rule(DROPS.format(3)),
        rule("<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>"),
        rule("<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration>"),
    ],
)
def test_a_rule_that_harms_nothing_is_nobodys_business(server: OssServer, other: str) -> None:
    held(server, other)
    assert [one.text for one in looked(server, NOTHING) if one.sign in "!i"] == []


@pytest.mark.parametrize(("days", "signs"), [(29, ["!"]), (30, [])])
def test_versions_that_others_drop_before_a_deletion_can_be_undone(
    server: OssServer, bucket: Any, days: int, signs: list[str]
) -> None:
    bucket.put_bucket_versioning(oss2.models.BucketVersioningConfig("Enabled"))
    mended(server, NOTHING)
    gone = f"<NoncurrentDays>{days}</NoncurrentDays>"
    for prefix, found in (("", signs), ("shop/orders/", signs), ("shop/tmp/", []), ("logs/", [])):
        other = rule(f"<NoncurrentVersionExpiration>{gone}</NoncurrentVersionExpiration>", prefix)
        held(server, kept(server)[kept(server).index("<Rule>") : kept(server).index("</Rule>")] + "</Rule>", other)
        differs = looked(server, NOTHING)
        assert [one.sign for one in differs] == found
        for one in differs:
            assert one.text == (
                "! lifecycle: rule `tidy`, which is not ours, drops versions deleted below `shop/orders/` "
                "after 29 days (a deletion is to be undone for 30 days; keep it away from `shop/`)"
            )


def test_a_name_that_a_terminal_would_obey_is_shown(server: OssServer) -> None:
    held(server, rule(DELETES.format(1), name="a\u202eb\u0085c"))
    assert "rule `a\\u{202e}b\\u{85}c`, which" in told(server, NOTHING)[0]


def test_what_is_kept_for_ever_may_never_expire(server: OssServer) -> None:
    held(server, rule(DELETES.format(20_000)))
    assert [one.sign for one in looked(server, replace(NOTHING, needed_days=None))] == ["!", "+"]


def test_a_class_that_costs_a_fee_to_read_is_told(server: OssServer) -> None:
    held(server, rule(MOVES.format(5, "IA")))
    assert told(server, NOTHING)[0].startswith("note: lifecycle: rule `tidy`, which is not ours, moves")
    colder = replace(NOTHING, places=(replace(NOTHING.places[0], storage_class="ColdArchive"),))
    server.buckets["backup"].settings.storage_class = "ColdArchive"
    held(server, rule(MOVES.format(5, "DeepColdArchive")))
    assert told(server, colder)[0].startswith("! lifecycle")


def test_rules_of_two_prefixes_of_which_one_holds_the_other(server: OssServer) -> None:
    both = replace(NOTHING, places=(*NOTHING.places, replace(NOTHING.places[0], store="near", prefix="")))
    assert len(looked(server, both)) == 2
    mended(server, both)
    assert {one.prefix for one in rules_in(settings(server).lifecycle())} == {"", "shop/"}
    assert looked(server, both) == []


def test_two_plans_of_one_prefix_agree_on_the_longer_of_their_days(server: OssServer, bucket: Any) -> None:
    """A plan with slower jobs may use the same store: its rule is ours, and not made shorter."""
    bucket.put_bucket_versioning(oss2.models.BucketVersioningConfig("Enabled"))
    slow, long = replace(NOTHING, upload_days=10), replace(NOTHING, noncurrent_days=90)
    mended(server, NOTHING)
    mended(server, slow)
    mended(server, long)
    (found,) = rules_in(settings(server).lifecycle())
    assert (found.aborts, found.noncurrent) == (10, 90)
    assert [told(server, one) for one in (NOTHING, slow, long)] == [[], [], []]


def test_rules_of_others_that_overlap_each_other_are_no_obstacle(server: OssServer) -> None:
    """OSS took them with overlapping allowed, and would refuse them without."""
    held(server, rule(DELETES.format(200), "web/"), rule(DELETES.format(100), "web/logs/", name="logs"))
    mended(server, NOTHING)
    assert [one.id for one in rules_in(kept(server).encode())] == ["tidy", "logs", ID]
    assert looked(server, NOTHING) == []


def test_rules_that_are_not_understood_are_left_alone() -> None:
    for body in (b"<LifecycleConfiguration><Rule>", b"<Error/>", b"no rules"):
        with pytest.raises(ValueError, match=r"\w"):
            rules_in(body)


def test_copies_that_pile_up_are_told_until_a_rule_of_others_takes_them(server: OssServer) -> None:
    copied = replace(NOTHING, places=(replace(NOTHING.places[0], copied_from="near"),))
    told_of = (
        "note: lifecycle: nothing deletes what OSS copies here from store `near` (a rule of your own may, after 16"
    )
    assert told(server, copied, "lifecycle")[0].startswith(told_of)
    assert not told(server, replace(copied, needed_days=None), "lifecycle")[0].startswith("note")
    held(server, rule("<Expiration><Days>20</Days></Expiration>", "shop/"))
    assert not any(line.startswith("note") for line in told(server, copied, "lifecycle"))
