"""State is on disk: another server on the same folder goes on with it; also as a program of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import oss2

from tests.oss_server import KEY_ID, KEY_SECRET, REGION, OssServer

PART = 100 * 1024


def open_bucket(endpoint: str) -> Any:
    return oss2.Bucket(oss2.AuthV4(KEY_ID, KEY_SECRET), endpoint, "backup", region=REGION)


def test_another_server_goes_on_with_it(tmp_path: Path) -> None:
    with OssServer(tmp_path) as server:
        server.bucket()
        bucket = open_bucket(server.endpoint)
        bucket.put_bucket_versioning(oss2.models.BucketVersioningConfig("Enabled"))
        first = bucket.put_object("中文/文件", b"1", headers={"x-oss-meta-of": "甲".encode()}).versionid
        bucket.put_object("中文/文件", b"2")
        worm = bucket.init_bucket_worm(1).worm_id
        upload = bucket.init_multipart_upload("big").upload_id
        part = bucket.upload_part("big", upload, 1, bytes(PART))
    with OssServer(tmp_path) as server:
        bucket = open_bucket(server.endpoint)
        assert bucket.get_object("中文/文件").read() == b"2"
        assert bucket.get_object("中文/文件", params={"versionId": first}).read() == b"1"
        assert bucket.get_bucket_worm().worm_id == worm
        assert [one.etag for one in bucket.list_parts("big", upload).parts] == [part.etag]
        second = bucket.upload_part("big", upload, 2, b"end")
        parts = [oss2.models.PartInfo(1, part.etag), oss2.models.PartInfo(2, second.etag)]
        bucket.complete_multipart_upload("big", upload, parts)
        assert bucket.get_object("big").read() == bytes(PART) + b"end"


def test_a_program_of_its_own(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.oss_server", "--root", str(tmp_path / "store")]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as program:
        assert program.stdout is not None
        endpoint = program.stdout.readline().split()[0]
        bucket = open_bucket(endpoint)
        bucket.put_object("a", b"x")
        assert bucket.get_object("a").read() == b"x"
        program.send_signal(signal.SIGTERM)
        assert program.wait(10) == 0
    assert OssServer(tmp_path / "store").buckets["backup"].current("a") is not None


def test_bytes_of_what_is_gone_are_gone(tmp_path: Path) -> None:
    with OssServer(tmp_path) as server:
        server.bucket()
        bucket = open_bucket(server.endpoint)
        for number in range(3):
            bucket.put_object("a", bytes(number))
        bucket.copy_object("backup", "a", "b")
        upload = bucket.init_multipart_upload("c").upload_id
        bucket.upload_part("c", upload, 1, b"1")
        bucket.upload_part("c", upload, 1, b"2")
        assert len(list((tmp_path / "backup" / "pieces").iterdir())) == 3
        bucket.abort_multipart_upload("c", upload)
        bucket.batch_delete_objects(["a", "b"])
        assert list((tmp_path / "backup" / "pieces").iterdir()) == []
