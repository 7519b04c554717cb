"""Keys, digests, sealed values, and how one database stores its secrets."""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
import os
import pickle
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import assume, given
from hypothesis import strategies as st

from agentdb.config import Secret as SettingsSecret
from agentdb.errors import AgentDBError, ConfigurationError, InvalidInputError, StorageError
from agentdb.secrets import Keyring, Secret, Vault, create_key_file, is_sealed, load_key, new_api_key

KEY = "correct horse battery staple"
KEYRING = Keyring.from_secret(KEY)
OTHER = Keyring.from_secret("another horse, another staple")
PLACE: dict[str, Any] = {"table": "Provider", "column": "apiKey", "row_id": 7}
SEALED = KEYRING.seal("s3cret", **PLACE)


def test_secret_is_offered_here_too() -> None:
    """One class, two doors."""
    assert Secret is SettingsSecret


class TestKeyring:
    def test_the_same_text_gives_the_same_keys(self) -> None:
        """White space around it does not count: a file ends with a newline, a variable does not."""
        again = Keyring.from_secret(Secret(f"  {KEY}\n"))

        assert again.key_id == KEYRING.key_id
        assert again.digest_api_key("agk_a") == KEYRING.digest_api_key("agk_a")
        assert again.open(SEALED, **PLACE) == "s3cret"

    def test_another_text_gives_another_key_id(self) -> None:
        """Eight hex digits that tell keys apart."""
        assert KEYRING.key_id != OTHER.key_id
        assert len(bytes.fromhex(KEYRING.key_id)) == 4

    def test_digests_and_id_stay_what_they_were(self) -> None:
        """Digests in databases out there must be found by every later version."""
        derived = {
            purpose: HKDF(SHA256(), length, None, f"agentdb 1 {purpose}".encode()).derive(KEY.encode())
            for purpose, length in (("pepper", 32), ("key id", 4))
        }
        digest = hmac.digest(derived["pepper"], b"agk_a", hashlib.sha256)
        text = base64.urlsafe_b64encode(digest).decode().rstrip("=")

        assert KEYRING.digest_api_key("agk_a") == f"agd1${derived['key id'].hex()}${text}"
        assert KEYRING.digest_api_key("agk_a") == "agd1$b1005e5d$X4HkmspRBafLoY6reY1lEqS771BIEIQQU7IBR9pDVQI"

    def test_a_value_sealed_by_the_first_version_opens(self) -> None:
        """Sealed columns outlive the code that wrote them."""
        assert KEYRING.open("agd1$b1005e5d$xmvLu7-FXcrPglfV_1Kdl1glEv4Jy2tO55yVcAd6lIZnbw", **PLACE) == "s3cret"

    @given(st.text(), st.text())
    def test_digests_are_equal_only_for_equal_keys(self, one: str, two: str) -> None:
        """Any text has one, also text that no API key can be."""
        assert (KEYRING.digest_api_key(one) == KEYRING.digest_api_key(two)) is (one == two)

    def test_malformed_text_has_a_digest(self) -> None:
        """A lone surrogate in a request header is an unknown key, not an error."""
        assert is_sealed(KEYRING.digest_api_key("\ud800"))

    def test_a_digest_depends_on_the_key(self) -> None:
        """Digests from one database say nothing about another one."""
        assert KEYRING.digest_api_key("agk_a").rsplit("$")[-1] != OTHER.digest_api_key("agk_a").rsplit("$")[-1]

    @pytest.mark.parametrize("text", ["", " " * 20, "k" * 15, f" {'k' * 15}\n"])
    def test_a_short_key_is_refused(self, text: str) -> None:
        """Fifteen characters are too few, and the message does not say which they are."""
        with pytest.raises(ConfigurationError, match=r"has \d+ characters, at least 16 are needed") as caught:
            Keyring.from_secret(text)

        assert "kkk" not in str(caught.value)

    def test_sixteen_characters_are_enough(self) -> None:
        """The bound itself is accepted."""
        assert Keyring.from_secret("k" * 16).key_id

    def test_it_neither_shows_nor_exports_its_keys(self) -> None:
        """Only the id is for people."""
        assert repr(KEYRING) == f"Keyring(key_id={KEYRING.key_id!r})"
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(KEYRING)
        with pytest.raises(TypeError, match="not pickled"):
            copy.deepcopy(KEYRING)


class TestSealing:
    @given(st.text())
    def test_what_was_sealed_opens(self, text: str) -> None:
        """Any text: empty, NUL, every script."""
        assert KEYRING.open(KEYRING.seal(text, **PLACE), **PLACE) == text

    @pytest.mark.parametrize("text", ["", "\0", "a\0b", "schlüssel 🔑", "x" * 100_000])
    def test_unusual_texts_open(self, text: str) -> None:
        """The ones that break other formats, by name."""
        assert KEYRING.open(KEYRING.seal(text, **PLACE), **PLACE) == text

    def test_a_sealed_value_names_its_key_and_hides_its_text(self) -> None:
        """The prefix is what tells it from plain text."""
        assert SEALED.startswith(f"agd1${KEYRING.key_id}$")
        assert "s3cret" not in SEALED

    def test_sealing_twice_gives_two_values(self) -> None:
        """Two rows with the same credential do not show that they have."""
        assert KEYRING.seal("s3cret", **PLACE) != SEALED

    @given(st.text(max_size=20), st.data())
    def test_any_flipped_bit_is_refused(self, text: str, data: st.DataObject) -> None:
        """In the prefix, the key id, or the payload down to the unused bits of its last letter."""
        sealed = bytearray(KEYRING.seal(text, **PLACE).encode())
        bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
        sealed[bit // 8] ^= 1 << bit % 8
        with pytest.raises((StorageError, ConfigurationError)):
            KEYRING.open(sealed.decode("latin-1"), **PLACE)

    @pytest.mark.parametrize("text", ["", "a", "ab"])
    def test_every_single_flipped_bit_of_the_payload_is_corrupt(self, text: str) -> None:
        """All of them, for the three ways base64 can end."""
        sealed = KEYRING.seal(text, **PLACE).encode()
        for bit in range(len("agd1$01234567$") * 8, len(sealed) * 8):
            changed = bytearray(sealed)
            changed[bit // 8] ^= 1 << bit % 8
            with pytest.raises(StorageError) as caught:
                KEYRING.open(changed.decode("latin-1"), **PLACE)

            assert caught.value.reason == "corrupt"

    @pytest.mark.parametrize("length", [0, 1, 5, 13, 14, 15, 16, 17, 18, 40, 50, 51, 52, len(SEALED) - 1])
    def test_a_truncated_value_is_corrupt(self, length: int) -> None:
        """Also one that is shorter than nonce and tag."""
        with pytest.raises(StorageError) as caught:
            KEYRING.open(SEALED[:length], **PLACE)

        assert caught.value.reason == "corrupt"
        assert "Provider.apiKey of row 7" in str(caught.value)

    @pytest.mark.parametrize(
        "changed",
        [SEALED + "A", SEALED + "=", SEALED + "\n", " " + SEALED, SEALED.upper()],
        ids=["a letter", "padding", "a line end", "a space before", "upper case"],  # SEALED is another in each run
    )
    def test_a_value_with_something_added_is_corrupt(self, changed: str) -> None:
        """There is one spelling of a sealed value."""
        with pytest.raises(StorageError):
            KEYRING.open(changed, **PLACE)

    @pytest.mark.parametrize(
        "elsewhere", [{"table": "UserTool"}, {"column": "name"}, {"row_id": 8}, {"row_id": -7}, {"table": "provider"}]
    )
    def test_a_value_does_not_open_in_another_place(self, elsewhere: dict[str, Any]) -> None:
        """Copying somebody's sealed credential into one's own row gives nothing."""
        with pytest.raises(StorageError) as caught:
            KEYRING.open(SEALED, **{**PLACE, **elsewhere})

        assert caught.value.reason == "corrupt"

    @given(st.tuples(st.text(max_size=3), st.text(max_size=3)), st.tuples(st.text(max_size=3), st.text(max_size=3)))
    def test_places_are_told_apart_whatever_their_names(self, one: tuple[str, str], two: tuple[str, str]) -> None:
        """The parts are not just put one behind the other."""
        assume(one != two)
        sealed = KEYRING.seal("s3cret", table=one[0], column=one[1], row_id=1)
        with pytest.raises(StorageError):
            KEYRING.open(sealed, table=two[0], column=two[1], row_id=1)

    @pytest.mark.parametrize(
        ("one", "two"),
        [(("ab", "c", 1), ("a", "bc", 1)), (("a", "b1", 2), ("a", "b", 12)), (("a.b", "c", 1), ("a", "b.c", 1))],
    )
    def test_a_boundary_that_moves_is_another_place(self, one: tuple[str, str, int], two: tuple[str, str, int]) -> None:
        """The classic mistake of joining names without saying where one ends."""
        sealed = KEYRING.seal("s3cret", table=one[0], column=one[1], row_id=one[2])
        with pytest.raises(StorageError):
            KEYRING.open(sealed, table=two[0], column=two[1], row_id=two[2])

    def test_another_key_is_named_with_ours(self) -> None:
        """Whoever mixed up two databases sees it in the message."""
        with pytest.raises(ConfigurationError) as caught:
            OTHER.open(SEALED, **PLACE)

        assert KEYRING.key_id in str(caught.value)
        assert OTHER.key_id in str(caught.value)
        assert "AGENTDB_SECRET_KEY" in str(caught.value)

    def test_our_id_on_a_value_of_another_key_is_corrupt(self) -> None:
        """The id is a hint, the tag decides."""
        with pytest.raises(StorageError):
            OTHER.open(SEALED.replace(KEYRING.key_id, OTHER.key_id), **PLACE)

    def test_a_digest_is_not_a_sealed_value(self) -> None:
        """They look alike and have different keys."""
        with pytest.raises(StorageError):
            KEYRING.open(KEYRING.digest_api_key("agk_a"), **PLACE)

    def test_text_that_is_not_unicode_is_refused_and_not_shown(self) -> None:
        """A lone surrogate cannot be stored anywhere."""
        with pytest.raises(InvalidInputError, match=r"^The secret for Provider\.apiKey of row 7 ") as caught:
            KEYRING.seal("s3cret\ud800", **PLACE)

        assert "s3cret" not in str(caught.value)
        assert caught.value.__context__ is None

    @pytest.mark.parametrize(
        ("text", "expected"),
        [(SEALED, True), ("agd1$", True), ("agk_a", False), ("", False)],
        ids=["sealed", "prefix", "api key", "empty"],
    )
    def test_the_prefix_tells_sealed_from_plain(self, text: str, expected: bool) -> None:
        """A damaged value still counts as sealed, so that it is never taken for plain text."""
        assert is_sealed(text) is expected


class TestLoadingAKey:
    def test_no_key_is_none(self) -> None:
        """Whether that is an error depends on what is asked of the database."""
        assert load_key(secret_key=None, secret_key_file=None) is None

    def test_variable_and_file_give_the_same_keys(self, tmp_path: Path) -> None:
        """Moving the text into a file changes nothing; an editor's byte order mark does not either."""
        path = tmp_path / "key"
        path.write_text(f"\ufeff{KEY}\r\n", encoding="utf-8")
        loaded = [
            load_key(secret_key=Secret(KEY), secret_key_file=None),
            load_key(secret_key=None, secret_key_file=path),
        ]

        assert [keyring and keyring.key_id for keyring in loaded] == [KEYRING.key_id] * 2

    def test_both_at_once_are_refused(self, tmp_path: Path) -> None:
        """Choosing one silently would seal with a key that nobody meant."""
        with pytest.raises(ConfigurationError, match=r"AGENTDB_SECRET_KEY and AGENTDB_SECRET_KEY_FILE .* both set"):
            load_key(secret_key=Secret(KEY), secret_key_file=tmp_path / "key")

    def test_a_short_variable_is_named(self) -> None:
        """The message says where the key came from."""
        with pytest.raises(ConfigurationError, match=r"^AGENTDB_SECRET_KEY has 5 characters"):
            load_key(secret_key=Secret("short"), secret_key_file=None)

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            (b"", "is empty"),
            (b" \n\n", "is empty"),
            (b"short\n", "has 5 characters"),
            (b"\xff\xfe\x00\x01 s3cret and long enough", "is not UTF-8 text"),
        ],
    )
    def test_a_file_that_holds_no_key_is_named(self, tmp_path: Path, content: bytes, problem: str) -> None:
        """With what is wrong with it, and without what is in it."""
        path = tmp_path / "key"
        path.write_bytes(content)
        with pytest.raises(ConfigurationError, match=problem) as caught:
            load_key(secret_key=None, secret_key_file=path)

        assert str(path) in str(caught.value)
        assert "s3cret" not in str(caught.value)

    @pytest.mark.parametrize("name", ["missing", "."])
    def test_a_file_that_cannot_be_read_is_named(self, tmp_path: Path, name: str) -> None:
        """Missing, or a directory."""
        with pytest.raises(ConfigurationError, match=r"cannot be read: .* AGENTDB_SECRET_KEY_FILE"):
            load_key(secret_key=None, secret_key_file=tmp_path / name)


class TestMakingAKeyFile:
    def test_it_holds_a_random_key_for_its_owner_only(self, tmp_path: Path) -> None:
        """32 bytes, mode 0600, and nothing else is left in the directory."""
        path = tmp_path / "agent.db.key"
        keyring = create_key_file(path)
        text = path.read_text()

        assert text.endswith("\n")
        assert len(base64.urlsafe_b64decode(text.strip() + "=")) == 32
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert Keyring.from_secret(text).key_id == keyring.key_id
        assert list(tmp_path.iterdir()) == [path]

    def test_two_files_have_two_keys(self, tmp_path: Path) -> None:
        """Nothing is derived from the path."""
        assert create_key_file(tmp_path / "a").key_id != create_key_file(tmp_path / "b").key_id

    def test_a_file_that_is_there_is_read(self, tmp_path: Path) -> None:
        """The second process to come gets the first one's key."""
        path = tmp_path / "key"
        path.write_text(KEY)

        assert create_key_file(path).key_id == KEYRING.key_id
        assert path.read_text() == KEY

    def test_a_lost_race_gives_the_winners_key(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The other process makes the file between our look and our attempt."""
        path = tmp_path / "key"
        link = os.link

        def beaten(source: str, target: Path) -> None:
            path.write_text(KEY)
            link(source, target)

        monkeypatch.setattr(os, "link", beaten)

        assert create_key_file(path).key_id == KEYRING.key_id
        assert list(tmp_path.iterdir()) == [path]

    def test_a_process_that_dies_while_writing_leaves_no_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An empty key file would keep every later start from working."""
        path = tmp_path / "key"

        def dies(descriptor: int) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(os, "fsync", dies)
            create_key_file(path)

        assert not path.exists()
        assert create_key_file(path).key_id

    def test_an_unusable_file_that_is_there_is_not_replaced(self, tmp_path: Path) -> None:
        """Values may be sealed with the key it once held."""
        path = tmp_path / "key"
        path.touch()
        with pytest.raises(ConfigurationError, match="is empty"):
            create_key_file(path)

        assert path.read_bytes() == b""

    def test_a_directory_that_is_missing_is_one_error(self, tmp_path: Path) -> None:
        """The message offers the variables as the other way."""
        with pytest.raises(ConfigurationError, match=r"cannot be created: .* AGENTDB_SECRET_KEY"):
            create_key_file(tmp_path / "missing" / "key")


def test_a_new_api_key_is_long_random_and_ours() -> None:
    """256 bits behind a prefix that log filters and secret scanners know."""
    one, two = new_api_key().reveal(), new_api_key().reveal()

    assert one != two
    assert one.startswith("agk_")
    assert len(one) == 47


class TestVaultThatSeals:
    vault = Vault(KEYRING)

    def test_api_keys_are_stored_and_found_as_digests(self) -> None:
        """Plain text in the column is not a key, whoever presents it."""
        digest = KEYRING.digest_api_key("agk_a")

        assert self.vault.protect_api_key("agk_a") == digest
        assert self.vault.lookup_values("agk_a") == (digest,)
        assert digest not in self.vault.lookup_values(digest)

    def test_a_secret_is_sealed_and_revealed(self) -> None:
        """It comes back wrapped."""
        stored = self.vault.protect("s3cret", **PLACE)

        assert is_sealed(stored)
        assert self.vault.reveal(stored, **PLACE) == Secret("s3cret")

    def test_plain_text_is_refused_with_the_setting_that_accepts_it(self) -> None:
        """The text itself is not in the message."""
        with pytest.raises(ConfigurationError, match="AGENTDB_SECRETS=plain") as caught:
            self.vault.reveal("s3cret", **PLACE)

        assert "s3cret" not in str(caught.value)
        assert "Provider.apiKey of row 7" in str(caught.value)

    def test_it_is_able(self) -> None:
        """A key is there."""
        assert self.vault.is_able


class TestVaultWithoutAKey:
    vault = Vault(None)

    def test_it_is_not_able(self) -> None:
        """Seeding asks this before it writes."""
        assert not self.vault.is_able

    @pytest.mark.parametrize(
        "use",
        [
            lambda vault: vault.protect_api_key("agk_a"),
            lambda vault: vault.lookup_values("agk_a"),
            lambda vault: vault.protect("s3cret", **PLACE),
            lambda vault: vault.reveal(SEALED, **PLACE),
        ],
    )
    def test_each_use_names_both_variables(self, use: Callable[[Vault], object]) -> None:
        """One clear error, whichever verb came first."""
        with pytest.raises(ConfigurationError, match=r"Set AGENTDB_SECRET_KEY or AGENTDB_SECRET_KEY_FILE\."):
            use(self.vault)


class TestPlainVault:
    def test_text_is_stored_as_it_is(self) -> None:
        """All three columns, also where a key is at hand."""
        for vault in (Vault(None, mode="plain"), Vault(KEYRING, mode="plain")):
            assert vault.is_able
            assert vault.protect_api_key("agk_a") == "agk_a"
            assert vault.protect("s3cret", **PLACE) == "s3cret"
            assert vault.reveal("s3cret", **PLACE) == Secret("s3cret")

    def test_protected_values_are_still_read_with_the_key(self) -> None:
        """Mixed databases read correctly."""
        vault = Vault(KEYRING, mode="plain")

        assert vault.reveal(SEALED, **PLACE) == Secret("s3cret")
        assert vault.lookup_values("agk_a") == (KEYRING.digest_api_key("agk_a"), "agk_a")

    def test_without_a_key_only_plain_text_is_looked_up_and_read(self) -> None:
        """A sealed value is not handed out as if it were the secret."""
        vault = Vault(None, mode="plain")

        assert vault.lookup_values("agk_a") == ("agk_a",)
        with pytest.raises(ConfigurationError, match="AGENTDB_SECRET_KEY_FILE"):
            vault.reveal(SEALED, **PLACE)

    def test_a_stolen_digest_is_no_api_key(self) -> None:
        """Who read the column of a mixed database cannot log in with what stands there."""
        digest = KEYRING.digest_api_key("agk_a")

        assert Vault(None, mode="plain").lookup_values(digest) == ()
        assert digest not in Vault(KEYRING, mode="plain").lookup_values(digest)

    @pytest.mark.parametrize(
        "use",
        [lambda vault: vault.protect_api_key("agd1$s3cret"), lambda vault: vault.protect("agd1$s3cret", **PLACE)],
    )
    def test_text_that_looks_protected_is_refused(self, use: Callable[[Vault], object]) -> None:
        """It could not be told from a protected value when it is read."""
        with pytest.raises(InvalidInputError, match=r"begins with 'agd1\$'") as caught:
            use(Vault(None, mode="plain"))

        assert "s3cret" not in str(caught.value)


def test_a_vault_shows_no_key() -> None:
    """Its repr is fit for a log."""
    assert repr(Vault(KEYRING)) == f"Vault(Keyring(key_id={KEYRING.key_id!r}), mode='sealed')"


def test_errors_come_back_from_another_process() -> None:
    """Agents run in worker processes."""
    with pytest.raises(AgentDBError) as caught:
        KEYRING.open("agd1$", **PLACE)
    again = pickle.loads(pickle.dumps(caught.value))

    assert isinstance(again, StorageError)
    assert (str(again), again.reason) == (str(caught.value), "corrupt")
