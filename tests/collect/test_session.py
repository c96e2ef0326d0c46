from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from stocktake.collect.credentials import CredentialSource, ProviderClock
from stocktake.collect.session import CallerIdentity, open_session
from stocktake.core.errors import CredentialsError, UserError

if TYPE_CHECKING:
    from pathlib import Path


def test_who_the_credentials_are(moto_url: str) -> None:
    async def main() -> None:
        async with open_session(endpoint_url=moto_url) as session:
            identity = await session.fetch_caller_identity()
            assert identity == CallerIdentity("123456789012", "aws", "arn:aws:sts::123456789012:user/moto")
            assert session.account_id == "123456789012"
            assert session.proven_regions == {"us-east-1"}

    asyncio.run(main())


def test_keys_that_run_out_are_renewed_in_time(tmp_path: Path) -> None:
    count = tmp_path / "count"
    program = tmp_path / "program.py"
    expiry = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()  # botocore renews ten minutes ahead
    program.write_text(
        "import json, pathlib\n"
        f"count = pathlib.Path({str(count)!r})\n"
        "number = int(count.read_text()) + 1 if count.exists() else 1\n"
        "count.write_text(str(number))\n"
        "print(json.dumps({'Version': 1, 'AccessKeyId': f'AKID{number}', 'SecretAccessKey': 's',\n"
        f"                  'SessionToken': 't', 'Expiration': {expiry!r}}}))\n"
    )
    (tmp_path / "aws-config").write_text(
        f"[profile p]\nregion=eu-west-1\ncredential_process={sys.executable} {program}\n"
    )

    async def main() -> None:
        async with open_session("p") as session:
            first = await session.credentials.keys()
            assert session.credentials.at_hand() == first
            assert first.token == "t"
            assert isinstance(session.credentials, CredentialSource)
            session.credentials._look_again_at = 0.0
            second = await session.credentials.keys()
            assert second.access_key > first.access_key
            assert await session.credentials.renew(first)  # somebody was faster
            assert await session.credentials.renew(second)
            assert session.credentials.at_hand() not in {None, first, second}

    asyncio.run(main())


def test_credentials_that_cannot_be_had(tmp_path: Path) -> None:
    (tmp_path / "aws-config").write_text(
        "[profile sso]\nregion=eu-west-1\nsso_account_id=1\nsso_role_name=r\n"
        "sso_start_url=https://sso.invalid/start\nsso_region=eu-west-1\n"
        f"[profile program]\nregion=eu-west-1\ncredential_process={sys.executable} -c exit(3)\n"
        "[profile chain]\nregion=eu-west-1\nrole_arn=arn:aws:iam::1:role/r\nsource_profile=absent\n"
    )

    async def keys(profile: str) -> None:
        async with open_session(profile) as session:
            await session.credentials.keys()

    for profile in ("sso", "program", "chain"):
        with pytest.raises(CredentialsError) as caught:
            asyncio.run(keys(profile))
        assert caught.value.code == "credentials_unavailable"
        assert f"--profile {profile}" in caught.value.hint


def test_a_chain_that_finds_nothing_more_cannot_renew(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with open_session() as session:
            keys = await session.credentials.keys()
            assert not await session.credentials.renew(keys)  # the same again
            monkeypatch.delenv("AWS_ACCESS_KEY_ID")
            assert not await session.credentials.renew(keys)

    asyncio.run(main())


def test_a_broken_configuration_file(tmp_path: Path) -> None:
    (tmp_path / "aws-config").write_text("no section\n")
    with pytest.raises(UserError) as caught:
        open_session()
    assert caught.value.code == "bad_configuration"


def test_no_source_without_credentials() -> None:
    with pytest.raises(CredentialsError):
        CredentialSource(lambda: None, profile="p")


def test_the_providers_dates() -> None:
    clock = ProviderClock()
    at = clock.parse_date(b"Tue, 24 Nov 2026 08:09:07 GMT")
    assert at == datetime(2026, 11, 24, 8, 9, 7, tzinfo=UTC)
    assert clock.parse_date(b"Tue, 24 Nov 2026 09:09:07 +0100") == at
    for unreadable in (b"", b"yesterday"):
        assert abs((clock.parse_date(unreadable) - datetime.now(UTC)).total_seconds()) < 5
    assert not clock.correct(b"")
    assert clock.correct(b"Tue, 24 Nov 2020 08:09:07 GMT")
    assert clock.stamp().startswith("20201124T0809")
    assert clock.now().year == 2020
    assert not clock.correct(b"Tue, 24 Nov 2020 08:09:17 GMT")  # no news


def test_models_of_another_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError):
        open_session(models=tmp_path)
