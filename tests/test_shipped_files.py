"""The YAML, registry and documents that ship agree with the code, and a built wheel carries them."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from infimed_plugins import __version__
from infimed_plugins.errors import MissingFileError
from infimed_plugins.limits import parse_yaml
from infimed_plugins.paths import shipped
from infimed_plugins.plugins import registry
from infimed_plugins.sources import source_entries
from infimed_plugins.trainers.registry import REWARDED, find_trainer

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SOURCE_FILES = sorted((ROOT / "infimed_plugins").rglob("*.py"))
SHIPPED = sorted(
    str(path.relative_to(ROOT))
    for folder in ("llamafactory_configs", "easyr1_configs", "data_registry", "infimed_plugins")
    for path in (ROOT / folder).rglob("*")
    if path.is_file() and "__pycache__" not in path.parts and (folder != "infimed_plugins" or path.suffix != ".py")
)


@pytest.mark.parametrize("path", [path for path in SHIPPED if path.endswith(".yaml")])
def test_every_yaml_is_a_mapping_without_a_key_written_twice(path: str) -> None:
    assert isinstance(parse_yaml((ROOT / path).read_text(encoding="utf-8")), dict)


ABLATIONS = [path for path in SHIPPED if "_configs/ablations/" in path or "_configs/presets/" in path]


def _keys(value: object, name: str = "") -> dict[str, object]:
    """``{"data.seed": 1, …}``: every key with its value, by its path."""
    if not isinstance(value, dict) or not value:
        return {name: value}
    return {
        path: leaf for key, under in value.items() for path, leaf in _keys(under, f"{name}.{key}".strip(".")).items()
    }


@pytest.mark.parametrize("path", ABLATIONS)
def test_an_ablation_is_its_base_but_for_the_keys_that_its_header_names(path: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    header = " ".join(line.lstrip("# ") for line in text.splitlines() if line.startswith("# "))
    named = re.search(r"As (\S+), which .*? but for: ([^:]*?)\.(?: |$)", header)
    assert named, header
    base = (ROOT / named[1]).read_text(encoding="utf-8")
    ours, theirs = _keys(yaml.safe_load(text)), _keys(yaml.safe_load(base))
    assert {key for key in ours.keys() | theirs.keys() if ours.get(key, ...) != theirs.get(key, ...)} == set(
        named[2].split(", ")
    )


def test_there_are_ablations_of_both_stages() -> None:
    assert {Path(path).parts[0] for path in ABLATIONS} == {"llamafactory_configs", "easyr1_configs"}


@pytest.mark.parametrize("path", [path for path in SHIPPED if re.fullmatch(r"\w+_configs/(?!quickstart).*yaml", path)])
def test_the_recipes_own_keys_stand_before_upstreams_defaults(path: str) -> None:
    marked = re.compile(r" # \[(?:paper|ours|infimed)\]")
    defaults: int | None = None  # how far the lines of upstream's defaults are indented
    for line in (ROOT / path).read_text(encoding="utf-8").splitlines():
        indent = len(line) - len(line.lstrip())
        if line.strip().lstrip("# ").startswith("upstream's defaults, written out"):
            defaults = indent
        elif line.strip() and defaults is not None:
            defaults = None if indent < defaults else defaults
            assert defaults is None or not marked.search(line), f"{path}: {line}"


def test_every_built_in_source_has_an_entry_that_agrees_with_it() -> None:
    ours = [thing for thing in registry() if thing.kind == "source" and thing.owner == "infimed_plugins"]
    built_in = [thing for thing in ours if thing.name != "pairs"]  # a user's own file, of which nothing is known
    assert {thing.name for thing in built_in} == set(source_entries())
    for thing in built_in:
        source, entry = thing.load(), source_entries()[thing.name]
        assert (source.licence, set(source.splits)) == (entry.licence, set(entry.splits))


def test_the_phantom_entry_counts_what_the_source_gives() -> None:
    source = registry().get("source", "phantom")
    assert source_entries()["phantom"].splits["val"] == sum(1 for _ in source.load("val"))


def test_every_extra_an_error_names_is_one_that_can_be_installed() -> None:
    call = re.compile(r"MissingExtraError\([^)]*?,\s*\"(\w+)\"\s*\)", re.DOTALL)
    named = {extra for path in SOURCE_FILES for extra in call.findall(path.read_text(encoding="utf-8"))}
    assert named
    assert named <= set(PROJECT["optional-dependencies"])


def test_no_requirement_names_the_other_verl_or_torch_for_one_platform() -> None:
    wanted = [line for extra in PROJECT["optional-dependencies"].values() for line in extra] + PROJECT["dependencies"]
    pins = (ROOT / "constraints-cpu.txt").read_text(encoding="utf-8").splitlines()
    names = {re.split(r"[\[<>=!~ ]", line)[0].lower() for line in wanted + pins}
    assert "verl" not in names
    assert not [line for line in wanted + pins if "+" in line or "://" in line]


def test_the_plain_install_is_small() -> None:
    names = {re.split(r"[\[<>=!~ ]", line)[0] for line in PROJECT["dependencies"]}
    assert names == {"pluggy", "PyYAML", "typer", "rich", "math-verify", "numpy", "scipy"}


def test_the_readme_names_files_recipes_and_extras_that_exist() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    folders = "llamafactory_configs|easyr1_configs|data_registry|tests|infimed_plugins"
    for path in re.findall(rf"(?:{folders})/[\w./]+\w", readme):
        assert (ROOT / path).exists(), path
    for recipe in re.findall(r"infimed data build (\w+)", readme):
        assert recipe == "RECIPE" or (ROOT / f"data_registry/recipes/{recipe}.yaml").is_file()
    extras = {extra for group in re.findall(r"'\.\[([\w,]+)\]'", readme) for extra in group.split(",")}
    assert extras <= set(PROJECT["optional-dependencies"])
    assert "make quickstart" in readme


def test_the_readme_names_every_trainer_with_the_version_that_was_tried() -> None:
    words = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    with_rows, _, rewards_alone = words.partition("with which version it was tried: ")[2].partition(
        "configuration and reward"
    )
    for one in map(find_trainer, REWARDED):
        assert f"{one.name} {one.version.partition(',')[0]}" in (with_rows if one.format else rewards_alone)


@pytest.mark.parametrize("path", ["README.md", "CONTRIBUTING.md"])
def test_every_link_of_a_page_leads_somewhere(path: str) -> None:
    page = (ROOT / path).read_text(encoding="utf-8")
    for name, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", page):
        target = ROOT / (name or path)
        assert target.exists(), name
        headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.M) if anchor else []
        assert not anchor or anchor in {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}


def test_the_monthly_look_names_tests_and_extras_that_exist() -> None:
    frameworks = tomllib.loads((ROOT / "tests" / "measure" / "frameworks.toml").read_text(encoding="utf-8"))
    assert set(REWARDED) - frameworks.keys() == {"prime-rl", "slime", "areal", "rllm", "nemo-gym"}
    for name, framework in frameworks.items():
        assert set(framework.get("extras", "data").split(",")) <= set(PROJECT["optional-dependencies"]), name
        for path in re.findall(r"tests/[\w/.]+", str(framework)):
            assert (ROOT / path).exists(), path


def test_an_extra_that_is_no_trainers_has_no_upper_bound() -> None:
    trainers = {"sft", "rl", "trl", "quickstart", "test", "dev"}
    extras = PROJECT["optional-dependencies"]
    found = [line for name in extras.keys() - trainers for line in extras[name] if "<" in line or "==" in line]
    assert found == ["math-verify>=0.8,<1"]


def test_the_changelog_has_this_version() -> None:
    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_a_file_that_is_not_shipped_is_said_so() -> None:
    with pytest.raises(MissingFileError, match="no/such is not shipped with this installation"):
        shipped("no/such")


@pytest.fixture(scope="module")
def installed_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but the built wheel, installed."""
    wheels, target = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("target")
    pip = [sys.executable, "-m", "pip", "--quiet"]
    build = [*pip, "wheel", "--no-build-isolation", "--no-deps", "--no-index", "-w", str(wheels), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, timeout=300)
    (wheel,) = wheels.glob("*.whl")
    install = [*pip, "install", "--no-deps", "--no-index", "--target", str(target), str(wheel)]
    subprocess.run(install, check=True, capture_output=True, timeout=300)
    return target


def test_an_installed_wheel_finds_every_shipped_file(installed_wheel: Path, tmp_path: Path) -> None:
    code = (
        "import sys, infimed_plugins\n"
        "from infimed_plugins.paths import PACKAGE, shipped\n"
        "from infimed_plugins.recipes import plan, shipped_recipes\n"
        "print(PACKAGE)\n"
        "for path in sys.argv[1:]: assert shipped(path).is_file(), path\n"
        "print(sum(plan(name).total for name in shipped_recipes()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *SHIPPED],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
        env={"PYTHONPATH": str(installed_wheel)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    package, total = done.stdout.split()
    assert Path(package) == installed_wheel / "infimed_plugins"
    assert int(total) > 0


def test_the_wheel_carries_the_licence_and_the_type_marker_and_no_tests(installed_wheel: Path) -> None:
    assert (installed_wheel / "infimed_plugins" / "py.typed").is_file()
    assert list(installed_wheel.glob("*.dist-info/licenses/LICENSE"))
    assert not (installed_wheel / "tests").exists()
