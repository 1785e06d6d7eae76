"""The suites: where their tests are, what they need to know, and which of them ask for what this server leaves out."""

from __future__ import annotations

from dataclasses import dataclass, field

ALL_SIGNATURES = frozenset({"V1", "V2", "V4"})


@dataclass(frozen=True, slots=True)
class Suite:
    """One suite. `files` are patterns below its folder; `excluded`: over `file::class::test`, with the reason."""

    name: str
    origin: str
    files: tuple[str, ...]
    excluded: dict[str, str]
    signatures: frozenset[str] = ALL_SIGNATURES
    blocks_public: bool = False
    environ: dict[str, str] = field(default_factory=dict)


_SELECT = "SelectObject, a query engine over CSV and JSON: no backup asks for it"
_IMAGES = "image and media processing"
_ELSEWHERE = "a product beside object storage, which nothing here uses"
_DATA = "needs a data file that the sdist doesn't carry"

OSS2 = Suite(
    name="oss2",
    origin="the sdist of `oss2` on PyPI, `tests/`",
    files=("tests/test_*.py",),
    environ={"OSS_TEST_AUTH_VERSION": "v4"},
    excluded={
        "tests/test_select_*": _SELECT,
        "tests/test_crypto_object.py::*select*": _SELECT,
        "tests/test_image.py*": _IMAGES,
        "tests/test_object.py::*_process_object": _IMAGES,
        "tests/test_object_request_payment.py::*_process_object": _IMAGES,
        "tests/test_crypto_object.py::*process*": _IMAGES,
        "tests/test_live_channel.py*": "live streaming over RTMP",
        "tests/test_iterator.py::*live_channel*": "live streaming over RTMP",
        "tests/test_object_request_payment.py::*live_channel*": "live streaming over RTMP",
        "tests/test_async_fetch_task.py*": "fetches from other sites in the background",
        "tests/test_bucket_inventory.py*": "inventories, reports of a bucket's content written once a day",
        "tests/test_bucket_meta_query.py*": "the search index over metadata",
        "tests/test_qos_*": "bandwidth quotas of resource pools, set through the interface",
        "tests/test_bucket.py::*storage_capacity": "a capacity per bucket, set through the interface",
        "tests/test_bucket_style.py*": _IMAGES,
        "tests/test_access_point.py*": _ELSEWHERE,
        "tests/test_write_get_object_response.py*": _ELSEWHERE,
        "tests/test_bucket_callback_policy.py*": "named callback policies",
        "tests/test_bucket_cname.py*": "own domains with certificates",
        "tests/test_bucket_data_redundancy_transition.py*": "the conversion of a bucket from LRS to ZRS",
        "tests/test_bucket_resource_group.py*": "resource groups of the account",
        "tests/test_website.py::*without_routing_rule": "pages of a static web site in place of missing objects",
        "tests/test_mock_object.py::*get_compact*": _DATA,
        "tests/test_crypto.py::*compact*": _DATA,
        "tests/test_utils.py::*zh_CN_locale": "needs the machine's Chinese locale; asks nothing of a server",
    },
)
V2 = Suite(
    name="alibabacloud-oss-v2",
    origin="the SDK's public repository: `tests/integration/`, and the golden signatures of `tests/unit/signer/`",
    files=("tests/integration/test_*.py", "tests/integration/aio/test_*.py", "tests/unit/signer/test_v?.py"),
    blocks_public=True,
    environ={"TZ": "Asia/Shanghai"},  # its tests of lifecycle dates pass in the time zone they were written in
    excluded={
        "tests/integration/test_select_object*": _SELECT,
        "tests/integration/test_access_point*": _ELSEWHERE,
        "tests/integration/test_cloud_box*": _ELSEWHERE,
        "tests/unit/signer/test_v4.py::*cloud_box": _ELSEWHERE,
        "tests/integration/test_meta_query*": "the search index over metadata",
        "tests/integration/test_bucket_inventory*": "inventories, reports of a bucket's content written once a day",
        "tests/integration/test_bucket_style*": _IMAGES,
        "tests/integration/test_bucket_cname*": "own domains with certificates",
        "tests/integration/test_bucket_resource_group*": "resource groups of the account",
        "tests/integration/test_bucket_data_redundancy*": "the conversion of a bucket from LRS to ZRS",
        "tests/integration/test_bucket_logging*::test_bucket_logging*": "own fields of access logs",
        "tests/integration/test_bucket_cors*::test_bucket_cors*": "preflight requests of web browsers",
    },
)
SUITES = (OSS2, V2)
