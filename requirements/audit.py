"""Licences of the installed packages, and known vulnerabilities of both locks: information for a person to judge.

    python requirements/audit.py                       # what `make audit` calls
    python requirements/audit.py requirements/gpu.lock # vulnerabilities of the packages in this file alone

pip-licenses and pip-audit are run by uv in environments of their own. pip-audit asks PyPI about each package; where it
cannot, this says so and goes on.
"""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
UV = Path(sys.executable).with_name("uv")
LICENCES, ADVISORIES = "pip-licenses==5.5.5", "pip-audit==2.10.1"
LOCKS = [ROOT / "requirements" / f"{build}.lock" for build in ("cpu", "gpu")]
SECONDS = 900
SILENT = "the advisories could not be asked for, so nothing is known here of vulnerabilities"
TO_READ = re.compile(r"GPL|AGPL|UNKNOWN|NVIDIA|Proprietary|Commercial|Other", re.IGNORECASE)
"""Licences that ask something of who distributes the package, or say nothing."""


def ran(tool: str, *arguments: str) -> tuple[Any, str]:
    """What a tool prints as JSON, None if it printed none, and the last line of its complaints."""
    command = [str(UV), "tool", "run", "--from", tool, tool.split("==")[0], *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return None, f"no answer in {SECONDS} s"
    try:
        return json.loads(done.stdout), ""
    except ValueError:
        return None, (done.stderr.strip().splitlines() or ["no output"])[-1]


def licences() -> list[str]:
    """Lines: how many packages have which licence, and those whose licence should be read."""
    found, problem = ran(LICENCES, "--python", sys.executable, "--format", "json", "--from", "mixed")
    if found is None:
        return [f"licences: {LICENCES} could not be run ({problem})"]
    counts = Counter(row["License"].split("\n")[0][:60] for row in found)
    listed = [f"  {number:4}  {name}" for name, number in counts.most_common()]
    to_read = [f"  {row['Name']}: {row['License'][:60]}" for row in found if TO_READ.search(row["License"][:200])]
    return [f"licences of {len(found)} packages:", *listed, "to be read before you distribute them:", *to_read]


def vulnerabilities(lock: Path) -> list[str]:
    """Lines: the known vulnerabilities of the packages in a lock."""
    found, problem = ran(
        ADVISORIES, "-r", str(lock), "--no-deps", "--disable-pip", "--progress-spinner", "off", "-f", "json"
    )
    if found is None:
        return [f"{lock.name}: {SILENT} ({problem})"]
    packages = found["dependencies"]
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    if len(unknown) == len(packages):
        return [f"{lock.name}: {SILENT} ({packages[0]['skip_reason']})" if packages else f"{lock.name}: empty"]
    rows = [
        f"  {package['name']} {package['version']}: {each['id']}, mended in {' or '.join(each['fix_versions']) or '-'}"
        for package in packages
        for each in package.get("vulns", [])
    ]
    said = f"{lock.name}: {len(rows)} known vulnerabilities in {len(packages) - len(unknown)} packages"
    return [said + (f"; nothing is known of {', '.join(unknown)}" if unknown else ""), *rows]


def main() -> None:
    """Print all of it."""
    chosen = [Path(name) for name in sys.argv[1:]]
    for line in [] if chosen else licences():
        print(line)
    for lock in chosen or LOCKS:
        print("\n".join(vulnerabilities(lock)), flush=True)


if __name__ == "__main__":
    main()
