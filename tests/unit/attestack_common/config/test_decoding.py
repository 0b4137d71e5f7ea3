"""Documents become types: conversion, other spellings, refused and unknown keys, messages that name file and key."""

from __future__ import annotations

import enum
import logging
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import pytest
from attestack_common.config import decode, load
from attestack_common.errors import ConfigError
from attestack_common.logs.lines import FIELDS
from attestack_common.secret import Secret  # noqa: TC002  # the types below are read at run time
from hypothesis import given
from hypothesis import strategies as st


class StorageType(enum.Enum):
    __aliases__: ClassVar[dict[str, str]] = {"LocalFs": "local_fs", "Memory": "memory"}

    LOCAL_FS = "local_fs"
    MEMORY = "memory"


class BuiltIn(msgspec.Struct, tag="coco_as_builtin", tag_field="type"):
    __tags__: ClassVar[tuple[str, ...]] = ("CoCoASBuiltIn",)

    verbose: bool = True


class Grpc(msgspec.Struct, tag="coco_as_grpc", tag_field="type"):
    as_addr: str
    pool_size: Annotated[int, msgspec.Meta(ge=1)] = 100


class HttpServer(msgspec.Struct):
    __aliases__: ClassVar[dict[str, str]] = {"socket": "sockets"}
    __refused__: ClassVar[dict[str, str]] = {"auth_public_key": "use admin.authentication.bearer_jwt"}

    sockets: list[str] = []
    insecure_http: bool = False
    payload_request_size: Annotated[int, msgspec.Meta(ge=1)] = 2
    private_key: Path | None = None
    tls_profile: Literal["old", "intermediate", "modern"] = "intermediate"
    workers: Literal[1, 2] = 1


class Provider(msgspec.Struct):
    issuer: str | None = None


class Admin(msgspec.Struct):
    mode: str = "DenyAll"
    providers: list[Provider] = []


class Sealed(msgspec.Struct, forbid_unknown_fields=True):
    key: Secret | None = None


class Plugin(msgspec.Struct):
    name: str
    settings: dict[str, Any] = {}

    @staticmethod
    def __before_decode__(table: dict[str, Any]) -> dict[str, Any]:
        name = table.pop("name", "")
        return {"name": name, "settings": table}


class Numbers(msgspec.Struct):
    ratio: float = 1.0
    by_name: dict[str, int] = {}
    either: int | str = 0
    many: str | list[str] = ""
    optional_table: dict[str, str] | str | None = None
    pair: tuple[int, ...] = ()
    blob: bytes = b""


class Config(msgspec.Struct):
    http_server: HttpServer = msgspec.field(default_factory=HttpServer)
    attestation_service: BuiltIn | Grpc = msgspec.field(default_factory=BuiltIn)
    admin: Admin = msgspec.field(default_factory=Admin)
    storage_type: StorageType = StorageType.MEMORY
    token_key: Secret | None = None
    sealed: Sealed | None = None
    plugins: list[Plugin] = []
    numbers: Numbers = msgspec.field(default_factory=Numbers)
    renamed: str = msgspec.field(default="", name="real-name")


class Required(msgspec.Struct):
    http_server: HttpServer
    storage: Grpc


class Checked(msgspec.Struct):
    low: int = 0
    high: int = 0

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is above high")


class Key(msgspec.Struct):
    path: Path = Path("key.pem")
    who: Provider | str = ""


class Outer(msgspec.Struct):
    checked: Checked


def read(document: dict[str, Any], **options: Any) -> Config:
    return decode(document, Config, source="kbs.toml", **options)


def refusal(document: dict[str, Any], kind: type = Config, **options: Any) -> ConfigError:
    with pytest.raises(ConfigError) as refused:
        decode(document, kind, source="kbs.toml", **options)
    return refused.value


def test_an_empty_document_gives_the_defaults() -> None:
    assert read({}) == Config()


def test_scalars_are_converted_leniently_at_every_depth() -> None:
    config = read(
        {
            "http_server": {"sockets": [8080, "x"], "insecure_http": "yes", "payload_request_size": "4"},
            "admin": {"mode": True, "providers": [{"issuer": 1.5}]},
            "numbers": {"ratio": "0.5", "by_name": {"a": "1", "b": 2.0}, "pair": ["1", 2]},
        }
    )
    assert config.http_server.sockets == ["8080", "x"]
    assert config.http_server.insecure_http is True
    assert config.http_server.payload_request_size == 4
    assert config.admin.mode == "true"
    assert config.admin.providers == [Provider("1.5")]
    assert (config.numbers.ratio, config.numbers.by_name, config.numbers.pair) == (0.5, {"a": 1, "b": 2}, (1, 2))


def test_paths_and_secrets_are_read_from_texts() -> None:
    config = read({"http_server": {"private_key": "/etc/key.pem"}, "token_key": "hunter2"})
    assert config.http_server.private_key == Path("/etc/key.pem")
    assert config.token_key is not None
    assert config.token_key.reveal() == b"hunter2"
    assert "hunter2" not in repr(config)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("either", 1),
        ("either", "x"),
        ("many", ["a"]),
        ("many", "a"),
        ("optional_table", {"a": "b"}),
        ("optional_table", None),
    ],
)
def test_a_union_keeps_a_value_that_one_of_its_members_takes(field: str, value: Any) -> None:
    assert getattr(decode({field: value}, Numbers, source="c"), field) == value


def test_a_union_refuses_what_no_member_takes() -> None:
    assert "numbers.either" in refusal({"numbers": {"either": [1]}}).message


@pytest.mark.parametrize("tag", ["coco_as_grpc", "coco_as_builtin", "CoCoASBuiltIn"])
def test_the_tag_chooses_in_every_spelling(tag: str) -> None:
    table = {"type": tag, **({"as_addr": "http://a"} if tag == "coco_as_grpc" else {})}
    service = read({"attestation_service": table}).attestation_service
    assert type(service) is (Grpc if tag == "coco_as_grpc" else BuiltIn)


def test_an_unknown_or_missing_tag_names_the_known_ones() -> None:
    error = refusal({"attestation_service": {"type": "intel"}})
    assert (
        str(error) == "kbs.toml: attestation_service.type: wanted one of coco_as_builtin, coco_as_grpc [CONFIG-VALUE]"
    )
    assert refusal({"attestation_service": {}}).message.endswith("; it is missing")


def test_enumerations_take_both_spellings() -> None:
    assert read({"storage_type": "LocalFs"}).storage_type is StorageType.LOCAL_FS
    assert read({"storage_type": "local_fs"}).storage_type is StorageType.LOCAL_FS
    error = refusal({"storage_type": "Postgress"})
    assert error.message == "kbs.toml: storage_type: wanted one of local_fs, memory"


def test_literals_are_converted_and_checked() -> None:
    assert read({"http_server": {"tls_profile": "modern", "workers": "2"}}).http_server.workers == 2
    assert refusal({"http_server": {"tls_profile": "Modern"}}).message.endswith(
        "wanted one of intermediate, modern, old"
    )
    assert refusal({"http_server": {"tls_profile": ["modern"]}}).code == "CONFIG-VALUE"


def test_an_alias_is_read_and_refused_beside_the_key_it_stands_for() -> None:
    assert read({"http_server": {"socket": ["a"]}}).http_server.sockets == ["a"]
    error = refusal({"http_server": {"socket": ["a"], "sockets": ["b"]}})
    assert error.message == "kbs.toml: http_server.socket: stands beside sockets, which means the same"


def test_a_key_of_earlier_versions_is_refused_with_todays() -> None:
    error = refusal({"http_server": {"auth_public_key": "x"}})
    assert error.code == "CONFIG-REFUSED-KEY"
    assert error.message == "kbs.toml: http_server.auth_public_key: is not a key any more"
    assert error.advice == "use admin.authentication.bearer_jwt"


def test_a_hook_may_reshape_the_table_but_not_the_document() -> None:
    document = {"plugins": [{"name": "resource", "vault_url": "x"}]}
    assert read(document).plugins == [Plugin("resource", {"vault_url": "x"})]
    assert document == {"plugins": [{"name": "resource", "vault_url": "x"}]}


def test_names_on_file_are_those_of_the_field() -> None:
    assert read({"real-name": 1}).renamed == "1"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"http_server": {"insecure_http": "maybe"}}, "http_server.insecure_http: wanted true or false, found a text"),
        ({"numbers": {"by_name": {"a": True}}}, "numbers.by_name.a: wanted a whole number, found true or false"),
        ({"http_server": {"payload_request_size": 0}}, "http_server.payload_request_size: wanted a whole number >= 1"),
        ({"numbers": {"by_name": {"a": 1.5}}}, "numbers.by_name.a: wanted a whole number, found a number"),
        ({"http_server": {"sockets": "a"}}, "http_server.sockets: wanted a list, found a text"),
        ({"http_server": {"sockets": ["a", []]}}, "http_server.sockets[1]: wanted a text, found a list"),
        ({"http_server": {"private_key": {}}}, "http_server.private_key: wanted a text, found a table"),
        ({"http_server": 3}, "http_server: wanted a table, found a whole number"),
        ({"http_server": None}, "http_server: wanted a table, found nothing"),
        ({"admin": {"mode": None}}, "admin.mode: wanted a text, found nothing"),
        ({"admin": {"providers": [{}, {"issuer": []}]}}, "admin.providers[1].issuer: wanted a text, found a list"),
        ({"numbers": {"ratio": "x"}}, "numbers.ratio: wanted a number, found a text"),
        ({"numbers": {"by_name": {"a": "x"}}}, "numbers.by_name.a: wanted a whole number, found a text"),
        ({"attestation_service": {"type": "coco_as_grpc"}}, "attestation_service.as_addr: is missing"),
        ({"token_key": []}, "token_key: wanted a text, found a list"),
    ],
)
def test_a_refusal_names_the_key_and_what_was_wanted(document: dict[str, Any], message: str) -> None:
    error = refusal(document)
    assert error.message == f"kbs.toml: {message}"
    assert error.code == "CONFIG-VALUE"


def test_a_path_that_is_null_is_refused() -> None:
    assert refusal({"path": None}, Key).message == "kbs.toml: path: wanted a text"


def test_a_union_with_one_table_reads_a_table_as_that() -> None:
    assert decode({"who": {"issuer": 1}}, Key, source="c").who == Provider("1")
    assert decode({"who": "me"}, Key, source="c").who == "me"


def test_a_missing_key_at_the_top_is_named_alone() -> None:
    assert refusal({}, Required).message == "kbs.toml: http_server: is missing"


def test_a_types_own_check_speaks_in_its_own_words() -> None:
    assert refusal({"checked": {"low": 2}}, Outer).message == "kbs.toml: checked: low is above high"
    assert refusal({"low": 2}, Checked).message == "kbs.toml: low is above high"


def test_a_prefix_stands_before_every_key() -> None:
    error = refusal({"payload_request_size": 0}, HttpServer, prefix="plugins[0]")
    assert error.message == "kbs.toml: plugins[0].payload_request_size: wanted a whole number >= 1"
    unknown = refusal({"socks": 1}, HttpServer, prefix="admin", closed=["admin"])
    assert unknown.message == "kbs.toml: unknown key admin.socks (did you mean sockets?)"


def test_unknown_keys_are_named_in_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        read({"htp_server": {}, "http_server": {"socks": 1}, "admin": {"providers": [{"zzz": 1}]}})
    assert [record.message for record in caplog.records] == [
        (
            "configuration has unknown keys htp_server (did you mean http_server?), "
            "http_server.socks (did you mean sockets?), admin.providers[0].zzz"
        )
    ]
    assert getattr(caplog.records[0], FIELDS) == {"source": "kbs.toml"}


def test_a_thousand_unknown_keys_are_not_all_named(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        read({f"zzz{number:04}": 1 for number in range(1000)})
    assert caplog.records[0].message.endswith("zzz0019 and 980 more")


def test_strict_refuses_unknown_keys() -> None:
    error = refusal({"http_server": {"socks": 1}}, strict=True)
    assert str(error) == "kbs.toml: unknown key http_server.socks (did you mean sockets?) [CONFIG-UNKNOWN-KEY]"
    assert error.advice == "correct the spelling or remove the key"


@pytest.mark.parametrize(
    ("document", "key"),
    [
        ({"admin": {"mod": 1}}, "admin.mod (did you mean mode?)"),
        ({"admin": {"providers": [{"isuer": 1}]}}, "admin.providers[0].isuer (did you mean issuer?)"),
    ],
)
def test_unknown_keys_below_a_closed_one_are_refused(document: dict[str, Any], key: str) -> None:
    error = refusal({**document, "ignored": 1}, closed=["admin"])
    assert error.message == f"kbs.toml: unknown key {key}"


def test_a_closed_prefix_is_a_whole_name(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        read({"administrator": 1, "http_server": {"zzz": 1}}, closed=["admin", "http"])
    assert len(caplog.records) == 1


def test_a_type_that_forbids_unknown_fields_is_closed() -> None:
    assert refusal({"sealed": {"kee": "x"}}).code == "CONFIG-UNKNOWN-KEY"


def test_no_message_shows_a_value() -> None:
    for document in (
        {"storage_type": "hunter2"},
        {"http_server": {"payload_request_size": "hunter2"}},
        {"attestation_service": {"type": "hunter2"}},
        {"numbers": {"blob": "hunter2!"}},
    ):
        assert "hunter2" not in refusal(document).diagnostics()


def test_load_reads_and_decodes(tmp_path: Path) -> None:
    (tmp_path / "kbs.toml").write_text('[http_server]\nsockets = ["127.0.0.1:1"]\n[admin]\nmod = 1\n')
    assert load(tmp_path / "kbs.toml", Config).http_server.sockets == ["127.0.0.1:1"]
    with pytest.raises(ConfigError, match=r"kbs\.toml: unknown key admin\.mod"):
        load(tmp_path / "kbs.toml", Config, closed=["admin"])
    with pytest.raises(ConfigError, match=r"kbs\.toml: unknown key admin\.mod"):
        load(tmp_path / "kbs.toml", Config, strict=True)


NAMES = [
    *("http_server", "sockets", "admin", "providers", "issuer", "type", "attestation_service", "storage_type"),
    *("plugins", "name", "numbers", "either", "many", "by_name", "ratio", "pair", "token_key", "x"),
]

DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(list(Config.__struct_encode_fields__)), DOCUMENTS, max_size=5))
def test_a24_any_document_is_decoded_or_raises_the_one_error(document: dict[str, Any]) -> None:
    try:
        config = read(document)
    except ConfigError as error:
        assert error.message.startswith("kbs.toml: ")  # noqa: PT017  # either outcome is right
        return
    assert isinstance(config, Config)
