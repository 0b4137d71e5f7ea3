"""The operator's client: standard output as recorded, values as the flags say, refusals on standard error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from attestack import kbs_client
from attestack_common import process
from attestack_common.errors import UsageError
from attestation_protocol import jwe
from attestation_protocol.encoding import b64std_encode
from attestation_protocol.tee_key import TeeKeyAlgorithm, TeeKeyPair
from key_broker_client.transport import Answer

from tests.conformance import wire_table
from tests.conformance.recordings import document
from tests.unit.key_broker_client.broker import Broker, refusal, token_text

if TYPE_CHECKING:
    from pathlib import Path

RUNS = document("cli-kbs-client")["runs"]
POLICY = 'package policy\nimport rego.v1\ndefault allow := false\nallow if data.plugin == "resource"\n'
ANSWERS = {
    "POST /kbs/v0/resource/default/key/1": Answer(200, b""),
    "DELETE /kbs/v0/resource/default/key/1": Answer(200, b""),
    "POST /kbs/v0/resource-policy": Answer(200, b""),
    "POST /kbs/v0/attestation-policy": Answer(200, b""),
    "POST /kbs/v0/reference-value": Answer(200, b""),
    "GET /kbs/v0/reference-value/svn": Answer(200, b'["1"]'),
    "GET /kbs/v0/reference-value/major_version": Answer(200, b"[1]"),
    "GET /kbs/v0/reference-value/none": refusal("RvpsError", "No reference value found for the given id: none"),
    "GET /kbs/v0/resource/default/key/none": refusal("PluginInternalError", "Plugin internal error"),
}


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Broker:
    """A broker behind the client's transport, and the files of the recordings in the working directory."""
    peer = Broker(answers={request: [answer] * 9 for request, answer in ANSWERS.items()})
    monkeypatch.setattr(kbs_client, "HttpTransport", lambda _: peer)
    monkeypatch.setattr(process, "harden", lambda: None)  # it would harden the tests' own process
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("TRUSTEE_HOME", raising=False)
    (tmp_path / "secret").write_bytes(b"the-secret-bytes")
    (tmp_path / "pol.rego").write_text(POLICY)
    return peer


def stdout(run: dict[str, Any], output: str) -> bool:
    """Whether output is as recorded; tokens and named policies differ, their form does not."""
    if run["arguments"] == ["attest"]:
        return output.count(".") == 2 and output.endswith("\n")
    if "<standard base64" in run["stdout"]:
        head, _, rest = run["stdout"].partition("<")
        return output.startswith(head) and rest.endswith("\n") and output.endswith("\n")
    return bool(output == run["stdout"])


@pytest.mark.parametrize("run", RUNS, ids=lambda run: " ".join(run["arguments"]) + run["note"])
def test_recorded_runs(broker: Broker, capsys: pytest.CaptureFixture[str], run: dict[str, Any]) -> None:
    if run["note"] == "denied by the default policy":
        broker.answers["GET /kbs/v0/resource/default/key/1"] = [refusal("PolicyDeny", "Access denied by policy")]
    try:
        status = kbs_client.main(run["arguments"])
    except SystemExit as exit_:
        status = int(str(exit_.code))
    output = capsys.readouterr()
    assert status == run["exit"]
    assert stdout(run, output.out), output.out
    wire_table.add("cli-kbs-client", RUNS.index(run), "our program", " ".join(run["arguments"]))
    if run["note"] == "denied by the default policy":
        assert 'errors/PolicyDeny", detail: "Access denied by policy"' in output.err
        assert "Error: request unauthorized (the operator's resource policy decides" in output.err
        assert output.err.endswith(" [ACCESS-DENIED]\n")


@pytest.mark.parametrize(
    ("flags", "value"),
    [
        (["1"], ["1"]),
        (["1", "--as-single-value"], "1"),
        (["-5", "--as-integer"], [-5]),
        (["true", "--as-bool", "--as-single-value"], True),
        (["false", "--as-bool"], [False]),
    ],
)
def test_reference_values_have_the_type_of_the_flags(flags: list[str], value: Any) -> None:
    text, *rest = flags
    arguments = kbs_client.parser().parse_args(["config", "set-sample-reference-value", *rest, "--", "name", text])
    assert kbs_client._value(arguments) == value


@pytest.mark.parametrize("flags", [["x", "--as-integer"], ["2147483648", "--as-integer"], ["yes", "--as-bool"]])
def test_a_value_of_another_type_is_refused(flags: list[str]) -> None:
    arguments = kbs_client.parser().parse_args(["config", "set-sample-reference-value", "name", *flags])
    with pytest.raises(UsageError):
        kbs_client._value(arguments)


@pytest.mark.parametrize("name", ["allow-all", "deny-all", "affirming", "default"])
def test_each_named_policy_is_the_one_of_its_name(
    broker: Broker, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert kbs_client.main(["config", "set-resource-policy", f"--{name}"]) == 0
    policy = kbs_client._named_policy(name.replace("-", "_"))
    assert b64std_encode(policy) in capsys.readouterr().out
    assert b"package policy" in policy
    assert broker.requests == ["POST /kbs/v0/resource-policy"]


def test_a_given_token_opens_with_its_key(broker: Broker, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = TeeKeyPair.generate(TeeKeyAlgorithm.RSA)
    (tmp_path / "key").write_bytes(key.to_pem())
    (tmp_path / "token").write_text(token_text(exp=4_000_000_000) + "\n")
    target = "GET /kbs/v0/resource/default/key/1"
    broker.answers[target] = [Answer(200, jwe.encrypt(b"secret", key.public_key)), refusal("TokenVerifierError")]
    command = ["get-resource", "--path", "default/key/1", "--attestation-token", "token", "--tee-key-file", "key"]
    assert kbs_client.main(command) == 0
    assert capsys.readouterr().out == "c2VjcmV0\n"
    assert kbs_client.main(command) == 1
    assert "[BROKER-UNAUTHORIZED]" in capsys.readouterr().err
    assert kbs_client.main(command[:-2]) == 1
    assert "needs --tee-key-file" in capsys.readouterr().err
    assert broker.requests == [target] * 2


def test_a_denial_on_a_given_token_is_said_to_be_one(
    broker: Broker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "key").write_bytes(TeeKeyPair.generate().to_pem())
    (tmp_path / "token").write_text(token_text(exp=4_000_000_000, iat=1))
    broker.answers["GET /kbs/v0/resource/default/key/1"] = [refusal("PolicyDeny", "Access denied by policy")]
    command = ["get-resource", "--path", "default/key/1", "--attestation-token", "token", "--tee-key-file", "key"]
    assert kbs_client.main(command) == 1
    assert capsys.readouterr().err.endswith(" [ACCESS-DENIED]\n")
    assert len(broker.requests) == 1


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (
            ["get-resource", "--path", "default/key/1", "--attestation-token", "binary", "--tee-key-file", "key"],
            "TOKEN-FORMAT",
        ),
        (["get-resource", "--path", "default/key/1", "--tee-key-file", "binary"], "KEY-FORMAT"),
        (["get-resource", "--path", "../../x"], "RESOURCE-PATH"),
        (["attest", "binary"], "USAGE"),
        (["attest", "\udcff"], "USAGE"),
        (["--cert-file", "nowhere", "attest"], "FILE-READ"),
        (["config", "--admin-token-file", "binary", "delete-resource", "--path", "a/b/c"], "ADMIN-TOKEN"),
        (["config", "set-resource", "--path", "a/b", "--resource-file", "secret"], "RESOURCE-PATH"),
    ],
)
def test_a_mistake_is_one_line_with_a_code_and_nothing_is_sent(
    broker: Broker, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: str
) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "key").write_bytes(TeeKeyPair.generate().to_pem())
    assert kbs_client.main(arguments) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.splitlines()[-1].startswith("Error: ")
    assert output.err.endswith(f" [{code}]\n")
    assert broker.requests == []


def test_what_a_broker_says_cannot_drive_the_terminal(broker: Broker, capsys: pytest.CaptureFixture[str]) -> None:
    broker.answers["GET /kbs/v0/resource/default/key/1"] = [refusal("PolicyDeny", "\x1b]0;x\x07 \u202e")]
    assert kbs_client.main(["get-resource", "--path", "default/key/1"]) == 1
    error = capsys.readouterr().err
    assert "\\u001b]0;x\\u0007 \\u202e" in error
    assert "\x1b" not in error


def test_ctrl_c_ends_it(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    async def interrupted(*_: object, **__: object) -> Answer:
        raise KeyboardInterrupt

    monkeypatch.setattr(broker, "send", interrupted)
    assert kbs_client.main(["attest"]) == 130


def test_a10_an_administrators_token_on_an_unencrypted_way_is_warned_of(
    broker: Broker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "token").write_text("header.claims.signature")
    admin = ["config", "--admin-token-file", "token", "delete-resource", "--path", "default/key/1"]
    assert kbs_client.main(["--url", "http://name:password@kbs.example", *admin]) == 0
    error = capsys.readouterr().err
    assert error.startswith("Warning: the administrator's token goes to http://kbs.example unencrypted")
    assert kbs_client.main(["--url", "https://kbs.example", *admin]) == 0
    assert capsys.readouterr().err == ""
    assert len(broker.requests) == 2


def test_a_text_too_long_for_a_name_is_init_data(broker: Broker) -> None:
    assert kbs_client.main(["attest", "x" * 5000]) == 0
    assert broker.attested is not None
    assert broker.attested.init_data is not None
    assert broker.attested.init_data.body == "x" * 5000


@pytest.mark.parametrize("given", ["file", "text"])
def test_init_data_is_a_text_or_its_file(broker: Broker, tmp_path: Path, given: str) -> None:
    (tmp_path / "init.toml").write_text('version = "1"\n')
    assert kbs_client.main(["attest", "init.toml" if given == "file" else 'version = "1"\n']) == 0
    assert broker.attested is not None
    assert broker.attested.init_data is not None
    assert broker.attested.init_data.body == 'version = "1"\n'


def test_a35_the_admin_token_goes_out_and_is_not_shown(
    broker: Broker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "token").write_text("header.claims.signature\n")
    assert kbs_client.main(["config", "--admin-token-file", "token", "delete-resource", "--path", "default/key/1"]) == 0
    assert broker.seen[0][1]["authorization"] == "Bearer header.claims.signature"
    output = capsys.readouterr()
    assert "signature" not in output.out + output.err
