"""A ZIP archive's directory, read before anything is unpacked: what its members are, and whether they may be read.

Nothing is ever written under a member's name: members are read as streams. Unsafe names are refused all the same,
because an archive that holds them was made to harm.
"""

import io
import stat
import struct
import zipfile

from studio.contract.errors import StudioError
from studio.data.streams import DEFLATED, STORED, Member, check_ratio
from studio.data.wording import count, shown

MAX_MEMBERS = 10_000
_MAX_DIRECTORY_BYTES = 16 * 1024 * 1024
_END_BYTES = 22
_WIDE_END_BYTES = 76
_TAIL_BYTES = _WIDE_END_BYTES + _END_BYTES + 65_536
_ENCRYPTED = 0x1


def read_directory(file: io.BufferedIOBase, name: str) -> list[Member]:
    """The archive's files in order; folders left out.

    Args:
        file: The archive; it can seek.
        name: For sentences.

    Raises:
        StudioError: It is damaged, holds links, devices or paths that lead out of it, is locked with a password, or
            claims to unpack to more than the limits.
    """
    size = _check_end(file, name)
    try:
        with zipfile.ZipFile(file) as archive:
            infos = archive.infolist()
    # NotImplementedError: zipfile says it of a packing or a version of ZIP that it does not know.
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError, OverflowError, struct.error) as error:
        raise _damaged(name, str(error)) from error
    if len(infos) > MAX_MEMBERS:
        raise _too_many(name, len(infos))
    members = []
    for info in infos:
        _check_safe(info, name)
        if not info.is_dir():
            members.append(_member(info, name))
    check_ratio(sum(member.bytes for member in members), size, name)
    return members


def kind(members: list[Member]) -> str:
    """What the archive is by its members' names: xlsx, xlsb, ods, office or zip."""
    names = {member.name for member in members}
    if "xl/workbook.bin" in names:
        return "xlsb"
    if "[Content_Types].xml" in names:
        return "xlsx" if any(name.startswith("xl/") for name in names) else "office"
    if "mimetype" in names and "content.xml" in names:
        return "ods"
    return "zip"


def _check_end(file: io.BufferedIOBase, name: str) -> int:
    """Look at the directory's size before it is taken into memory; gives the archive's size."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - _TAIL_BYTES))
    tail = file.read(_TAIL_BYTES)
    file.seek(0)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END_BYTES:
        raise _damaged(name, "Its directory, which stands at the end, is missing.")
    number, directory_bytes = struct.unpack_from("<HL", tail, at + 10)
    wide = at - _WIDE_END_BYTES  # where large archives say it, and `zipfile` looks too
    if wide >= 0 and tail.startswith(b"PK\x06\x06", wide) and tail.startswith(b"PK\x06\x07", at - 20):
        number, directory_bytes = struct.unpack_from("<QQ", tail, wide + 32)
    if number > MAX_MEMBERS or directory_bytes > _MAX_DIRECTORY_BYTES:
        raise _too_many(name, number)
    return size


def _check_safe(info: zipfile.ZipInfo, name: str) -> None:
    plain = info.orig_filename.replace("\\", "/")
    if plain.startswith("/") or plain[1:2] == ":" or "\x00" in plain or ".." in plain.split("/"):
        raise _refused(
            "unsafe_path",
            name,
            f'It holds an unsafe path: "{shown(plain)}".',
            "Such a path leads out of the folder where an archive is unpacked.",
        )
    mode = info.external_attr >> 16
    if stat.S_IFMT(mode) and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        thing = "a link" if stat.S_ISLNK(mode) else "a device"
        raise _refused(
            "link_refused",
            name,
            f'"{shown(plain)}" in it is {thing}; links and devices are refused.',
            "It could lead to other files of this computer.",
        )


def _member(info: zipfile.ZipInfo, name: str) -> Member:
    if info.flag_bits & _ENCRYPTED:
        raise StudioError(
            "data.locked",
            "This archive is locked with a password.",
            fix="Unpack it and choose the files inside.",
            where=name,
        )
    if info.compress_type not in (STORED, DEFLATED):
        raise StudioError(
            "data.archive",
            "This ZIP archive is packed in a way that is not read here.",
            fix="Unpack it and choose the files inside.",
            where=name,
        )
    check_ratio(info.file_size, info.compress_size, name)
    return Member(
        name=info.filename,
        offset=info.header_offset,
        packed_bytes=info.compress_size,
        bytes=info.file_size,
        method=info.compress_type,
        crc=info.CRC,
    )


def _refused(code: str, name: str, what: str, why: str) -> StudioError:
    return StudioError(f"data.{code}", what, why, "Do not trust this archive; get the data from elsewhere.", where=name)


def _too_many(name: str, number: int) -> StudioError:
    return StudioError(
        "data.too_many_files",
        f"It claims to hold {count(number, 'file')}; the limit is {MAX_MEMBERS:,}.",
        "An archive of a dataset holds some files of many rows each.",
        "Unpack it, join the files and choose the result.",
        where=name,
    )


def _damaged(name: str, reason: str) -> StudioError:
    return StudioError(
        "data.damaged_archive",
        "This ZIP archive is cut off or damaged.",
        f"{reason.rstrip('.')}.",
        "Get it or pack it again.",
        where=name,
    )
