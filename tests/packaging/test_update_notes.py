"""Updates come as a signed file: what is genuine is told, what is not is refused in words."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from studio import __version__
from studio.cli import main
from studio.contract.errors import StudioError
from studio.data import update_note
from tests.helpers.shared_data import PROJECT
from tests.packaging.notes import CONTENT, NAME, load_release, write_note


def test_a_genuine_note_of_a_later_version_is_told(note_file: Path) -> None:
    told = update_note.check(note_file)
    assert told.newer
    assert told.note.version == "9.0.0"
    assert [one.name for one in told.beside] == [NAME]
    reading = update_note.compare(note_file.parent, told.beside[0])
    assert next(reading) == 1.0
    with pytest.raises(StopIteration) as end:
        next(reading)
    assert end.value.value is True


def test_an_older_note_and_the_same_version_are_no_reason_to_do_anything(
    tmp_path: Path, key: Ed25519PrivateKey
) -> None:
    for version in ("0.0.9", __version__, f"{__version__}.0"):
        assert not update_note.check(write_note(tmp_path, key, version)).newer, version
    assert update_note.check(write_note(tmp_path, key, "0.10")).newer  # ten is more than one


@pytest.mark.parametrize("change", ["9.0.0", "deb", "better"])
def test_a_note_that_was_changed_after_signing_is_refused(note_file: Path, change: str) -> None:
    text = note_file.read_text()
    assert change in text
    note_file.write_text(text.replace(change, "9.0.1" if change == "9.0.0" else "xyz"))
    with pytest.raises(StudioError) as caught:
        update_note.check(note_file)
    assert caught.value.problem.code == "update.wrong_signature"


def test_a_note_signed_by_another_key_is_refused(tmp_path: Path, key: Ed25519PrivateKey) -> None:
    with pytest.raises(StudioError, match="not signed by the makers"):
        update_note.check(write_note(tmp_path, Ed25519PrivateKey.generate(), "9.0.0"))


def test_a_signature_over_the_same_text_for_another_purpose_is_none(note_file: Path, key: Ed25519PrivateKey) -> None:
    import base64

    signed = json.loads(note_file.read_text())
    signed["signature"] = base64.b64encode(key.sign(signed["note"].encode())).decode()
    note_file.write_text(json.dumps(signed))
    with pytest.raises(StudioError, match="not signed by the makers"):
        update_note.check(note_file)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"\xff\xfe", b"[1]", b'{"note": "{}", "signature": "no base64!"}', b" " * 1_000_001]
)
def test_what_is_no_note_is_said_to_be_none(tmp_path: Path, key: Ed25519PrivateKey, content: bytes) -> None:
    path = tmp_path / "some.apprentice-update"
    path.write_bytes(content)
    with pytest.raises(StudioError) as caught:
        update_note.check(path)
    assert caught.value.problem.code == "update.not_a_note"
    assert update_note.SUFFIX in caught.value.problem.fix


def test_a_signed_note_that_names_a_path_as_installer_is_no_note(tmp_path: Path, key: Ed25519PrivateKey) -> None:
    import base64

    one = {"name": "../x", "system": "linux", "edition": "cpu", "size_bytes": 1, "sha256": "0" * 64}
    text = json.dumps({"version": "9.0.0", "date": "2027-01-31", "installers": [one]})
    signature = base64.b64encode(key.sign(update_note.message(text))).decode()
    path = tmp_path / "x.apprentice-update"
    path.write_text(json.dumps({"note": text, "signature": signature}))
    with pytest.raises(StudioError) as caught:
        update_note.check(path)
    assert caught.value.problem.code == "update.not_a_note"


def test_the_key_that_the_program_carries_can_be_read() -> None:
    keys = update_note._keys()
    assert keys
    assert all(len(key) == 32 for key in keys)


# --- on the command line -------------------------------------------------------------------------------------------


def test_the_command_tells_what_is_new_and_that_the_installer_is_genuine(
    note_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["update", "check", str(note_file)]) == 0
    told = capsys.readouterr().out
    assert "Version 9.0.0 of 2027-01-31 is newer than this one" in told
    assert "- It is better." in told
    assert "is genuine" in told


def test_the_command_refuses_an_exchanged_installer(note_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (note_file.parent / NAME).write_bytes(CONTENT[:-1] + b"!")
    assert main(["update", "check", str(note_file), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "update.damaged_installer"


def test_the_command_refuses_a_wrong_signature_in_words(note_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    note_file.write_text(note_file.read_text().replace("9.0.0", "9.9.9"))
    assert main(["update", "check", str(note_file)]) == 2
    told = capsys.readouterr().err
    assert "not signed by the makers" in told
    assert "Traceback" not in told


def test_a_file_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["update", "check", str(tmp_path / "gone.apprentice-update")]) == 2
    assert "cannot be read" in capsys.readouterr().err


# --- how notes are made --------------------------------------------------------------------------------------------


def test_a_release_signs_what_lies_in_the_folder_of_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release = load_release()
    secret, public = tmp_path / "secret.pem", tmp_path / "update_key.txt"
    release.make_key(secret, public)
    assert secret.stat().st_mode & 0o077 == 0
    packages = tmp_path / "packages"
    packages.mkdir()
    name = f"apprentice-studio-{__version__}-linux-x86_64-cpu.deb"
    (packages / name).write_bytes(CONTENT)
    (packages / "SHA256SUMS").write_text(f"{'0' * 64}  {name}\n{'1' * 64}  sbom.cdx.json\n")
    path = release.sign_packages(packages, release.read_key(secret))
    import base64

    line = public.read_text().splitlines()[-1]
    monkeypatch.setattr(update_note, "_keys", lambda: [base64.b64decode(line)])
    told = update_note.check(path)
    assert [(one.name, one.system, one.edition, one.sha256) for one in told.note.installers] == [
        (name, "linux", "cpu", "0" * 64)
    ]
    assert told.note.changes  # the CHANGELOG's


def test_a_secret_key_is_never_written_into_the_repository_nor_over_another(tmp_path: Path) -> None:
    release = load_release()
    with pytest.raises(ValueError, match="repository"):
        release.make_key(PROJECT / "secret.pem", tmp_path / "public.txt")
    assert not (PROJECT / "secret.pem").exists()
    release.make_key(tmp_path / "secret.pem", tmp_path / "public.txt")
    before = (tmp_path / "secret.pem").read_bytes()
    with pytest.raises(FileExistsError):
        release.make_key(tmp_path / "secret.pem", tmp_path / "public.txt")
    assert (tmp_path / "secret.pem").read_bytes() == before
