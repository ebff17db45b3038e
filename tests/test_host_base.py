"""What hosts get besides accelerators, judged by the programs that read it on booted hosts."""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from control_plane.processes import wait_until
from tests.lessons import ROOT
from tests.obstacles import give_way_to
from tests.rig.base import obstacle
from tests.rig.hosts import CommandFailed, TestHosts, make_ssh_key
from tests.rig.network import Network
from tests.rig.packages import PackageRepository

pytestmark = pytest.mark.hosts
CONTROL, WORKER, LOGIN, MONITOR = "scheduler-c01-1", "science-b01-1", "login-c01-1", "monitor-c02-1"
# By hand from center.yaml; the controller plays the mirror, the name server and the directory that does not answer.
NODES = {CONTROL: "10.16.3.68", WORKER: "10.16.2.65", LOGIN: "10.16.3.72", MONITOR: "10.16.3.136"}
HERE, STRANGER = "10.16.0.1", "10.99.0.1"
PASSWORD = "canary; #with 'marks' in it"
# A machine as small as the test hosts, so that Slurm gives it work.
SERVER = """
kind: server
name: rig-host
title: A test host
height: 1
mass: {value: 1 kg, status: X, sources: [own]}
cores: 1
memory: 1 GB
accelerators: 0
base-power: {value: 100 W, status: X, sources: [own]}
liquid-share: {value: 0 %, status: X, sources: [own]}
air-inlet: {value: 35 °C, status: X, sources: [own]}
sources: {own: {grade: own, locator: made for this test}}
"""


@dataclass
class Site:
    """A copy of the sample duo with the words of this file, and the hosts that it was applied to."""

    network: Network
    hosts: TestHosts
    folder: Path
    key: Path
    munge: bytes

    def center(self, verb: str, *words: str) -> dict[str, Any]:
        """Run a verb for these hosts and read its answer."""
        limits = [word for name in NODES for word in ("--limit", name)]
        return dict(
            json.loads(self.run(verb, "--hosts", "--format", "json", "--ssh-key", str(self.key), *limits, *words))
        )

    def run(self, verb: str, *words: str) -> str:
        environment = {
            **os.environ,
            "CENTER_OPERATOR": str(self.folder / "operator.yaml"),
            "MUNGE_KEY": base64.b64encode(self.munge).decode(),
            "LDAP_PASSWORD": PASSWORD,
        }
        command = self.network.command([sys.executable, "-m", "generator", verb, str(self.folder), *words])
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=300)
        assert done.returncode in (0, 2), re.findall(r'"reason": "([^"]+)', done.stdout) or done.stderr[-4000:]
        return done.stdout

    def on(self, host: str, command: str, given: str = "") -> str:
        return self.hosts.run(host, ["sh", "-c", command], given)


def describe(folder: Path, mirror: PackageRepository, authority: Path) -> None:
    """duo as this test says it: its own mirror and authority, a firewall, roots to trust, a reader of the directory."""
    shutil.copytree(ROOT / "inventories/duo", folder, ignore=shutil.ignore_patterns("generated"))
    shutil.copyfile(authority.with_name("authority.pub"), folder / "ssh_ca.pub")
    shutil.copyfile(mirror.signing_key, folder / "mirror.asc")
    (folder / "catalog/servers").mkdir(parents=True)
    (folder / "catalog/servers/rig-host.yaml").write_text(SERVER)
    make = ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", "/dev/null", "-days", "30"]
    roots = [
        subprocess.run([*make, "-subj", f"/CN=root {number}"], capture_output=True, text=True, check=True).stdout
        for number in (1, 2)
    ]
    (folder / "roots.pem").write_text("the roots of this centre\n" + "\n".join(roots))
    (folder / "operator.yaml").write_text(
        "secrets:\n  allow:\n"
        '    - {reference: "env:MUNGE_KEY", use: [slurm-munge]}\n'
        '    - {reference: "env:LDAP_PASSWORD", use: [ldap-bind]}\n'
        "hosts: {watch-seconds: 3}\n"
    )
    (folder / "operator.yaml").chmod(0o600)
    words = (folder / "center.yaml").read_text("utf-8")
    for old, new in (
        (r"^  mirror: .*$", f'  mirror: {{url: "{mirror.url}", key: "path:mirror.asc"}}\n  trust: "path:roots.pem"'),
        (r'munge: "vault:hpc#munge"', 'munge: "env:MUNGE_KEY"'),
        (r"generic-2u-cpu-air", "rig-host"),
        (r'base: "dc=duo,dc=example"', 'base: "dc=duo,dc=example", reader: "cn=hosts", bind: "env:LDAP_PASSWORD"'),
        (r"^access:$", f"access:\n  from: [{HERE}/32]"),
    ):
        words, count = re.subn(old, new, words, flags=re.MULTILINE)
        assert count == 1, old
    (folder / "center.yaml").write_text(words, "utf-8")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    give_way_to(obstacle())
    folder = tmp_path_factory.mktemp("site")
    authority, key = make_ssh_key(folder / "authority"), make_ssh_key(folder / "login")
    addresses = {name: f"{address}/16" for name, address in NODES.items()}
    with (
        Network(f"{HERE}/16", f"{STRANGER}/24") as network,
        PackageRepository(network) as mirror,
        TestHosts(network, addresses, ssh_authority=authority, login_key=key) as hosts,
    ):
        describe(folder / "duo", mirror, authority)
        made = Site(network, hosts, folder / "duo", key, secrets.token_bytes(96))
        made.run("render")
        made.center("apply", "--yes")
        yield made


def test_applying_again_changes_nothing_and_nothing_has_failed(site: Site) -> None:
    again = site.center("apply", "--yes")["hosts"]["hosts"]
    assert {name: host["state"] for name, host in again.items()} == dict.fromkeys(NODES, "unchanged")
    assert {name: site.on(name, "systemctl --failed --quiet --no-legend") for name in NODES} == dict.fromkeys(NODES, "")


def test_the_ssh_daemon_takes_only_strong_methods_and_keys(site: Site) -> None:
    site.on(LOGIN, "sshd -t")
    told = dict(line.split(" ", 1) for line in site.on(LOGIN, "sshd -T").splitlines())
    for kind, strong in {
        "kexalgorithms": "curve25519-sha256",
        "ciphers": "aes256-gcm@openssh.com",
        "macs": "hmac-sha2-512-etm@openssh.com",
    }.items():
        assert strong in told[kind].split(",") and not re.search("sha1|md5|cbc|umac-64|group14", told[kind])
    wanted = {
        "passwordauthentication": "no",
        "allowagentforwarding": "no",
        "permitrootlogin": "no",
        "maxauthtries": "4",
    }
    wanted |= {
        "maxstartups": "10:30:60",
        "logingracetime": "60",
        "authorizedkeyscommand": "/usr/bin/sss_ssh_authorizedkeys",
    }
    assert {name: told[name] for name in wanted} == wanted
    assert "authorizedkeyscommand none" in site.on(WORKER, "sshd -T")


def connects(site: Site, source: str, port: int, host: str = MONITOR) -> bool:
    """Whether a program at that address of the controller gets a connection."""
    dial = "import socket, sys; socket.create_connection((sys.argv[2], int(sys.argv[3])), 2, (sys.argv[1], 0))"
    command = site.network.command([sys.executable, "-c", dial, source, NODES[host], str(port)])
    return subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0


def test_the_firewall_lets_in_whom_the_spec_names_and_stays_out_of_the_way_of_others(site: Site) -> None:
    site.on(MONITOR, "nft -c -f /etc/center/firewall.nft && nft add table ip of-others")
    seen = {(source, port): connects(site, source, port) for source in (HERE, STRANGER) for port in (22, 9100)}
    assert seen == {(HERE, 22): True, (HERE, 9100): True, (STRANGER, 22): False, (STRANGER, 9100): False}
    site.on(MONITOR, "systemctl stop center-firewall.service")
    assert connects(site, STRANGER, 22) and connects(site, STRANGER, 9100)
    site.on(MONITOR, "systemctl start center-firewall.service")
    assert not connects(site, STRANGER, 22)
    assert "of-others" in site.on(MONITOR, "nft list tables")


def test_a_new_firewall_takes_the_place_of_the_old_one_at_once(site: Site) -> None:
    """In one transaction of the kernel: there is no moment without."""
    site.on(MONITOR, "systemd-run --quiet --unit=watch sh -c 'exec nft monitor >/run/seen'")
    wait_until(
        lambda: site.on(MONITOR, "nft add table ip a; nft delete table ip a; cat /run/seen") != "", 20, "monitor"
    )
    site.on(MONITOR, "systemctl restart center-firewall.service; nft add table ip finish")
    wait_until(lambda: "finish" in site.on(MONITOR, "cat /run/seen"), 20, "last event")
    transactions = site.on(MONITOR, "systemctl stop watch; cat /run/seen").split("# new generation")
    ours = [one for one in transactions if "table inet center" in one]
    assert len(ours) == 1 and "delete table inet center" in ours[0] and "add table inet center" in ours[0]


def test_every_unit_of_ours_is_what_systemd_understands(site: Site) -> None:
    for name in NODES:
        ours = site.on(name, "ls /etc/systemd/system/center-*.service").split()
        assert ours and site.on(name, f"systemd-analyze verify --man=no {' '.join(ours)} 2>&1") == ""


def test_a_mount_unit_with_an_escaped_name_works_through_a_link(site: Site) -> None:
    """As mounts of places with dashes are placed; with a file system that this kernel has."""
    unit = r"mnt-a\x2db.mount"
    text = "[Mount]\nWhat=x\nWhere=/mnt/a-b\nType=tmpfs\n\n[Install]\nWantedBy=remote-fs.target\n"
    site.on(
        MONITOR,
        "mkdir -p /etc/center/mounts /etc/systemd/system/remote-fs.target.wants && cat >/etc/center/mounts/a.mount",
        text,
    )
    site.on(MONITOR, f"cd /etc/systemd/system && ln -s /etc/center/mounts/a.mount '{unit}'")
    site.on(MONITOR, f"cd /etc/systemd/system/remote-fs.target.wants && ln -s '../{unit}' . && systemctl daemon-reload")
    site.on(MONITOR, f"systemctl start '{unit}' && findmnt --type tmpfs /mnt/a-b && systemctl restart '{unit}'")
    shown = site.on(MONITOR, f"systemctl show --property=ActiveState,WantedBy '{unit}'").split()
    assert shown == ["WantedBy=remote-fs.target", "ActiveState=active"]
    site.on(MONITOR, f"systemctl disable --now -- '{unit}' && ! findmnt --type tmpfs /mnt/a-b")


def test_roots_of_the_centre_are_believed(site: Site) -> None:
    shown = site.on(
        WORKER, "for f in /usr/local/share/ca-certificates/center-*; do openssl verify -CApath /etc/ssl/certs $f; done"
    )
    assert [line.rpartition(" ")[2] for line in shown.splitlines()] == ["OK", "OK"]
    assert site.on(WORKER, "grep -c BEGIN /etc/center/trust.pem").strip() == "2"


def test_people_are_asked_of_the_directory_with_a_password_that_only_root_reads(site: Site) -> None:
    state = site.hosts.files(LOGIN, ["/etc/sssd/sssd.conf"])["/etc/sssd/sssd.conf"]
    assert (state.mode, state.owner) == ("0600", "root")
    assert f"\nldap_default_authtok = {PASSWORD}\n" in site.on(LOGIN, "cat /etc/sssd/sssd.conf")
    assert site.hosts.units(LOGIN)["sssd.service"].active == "active"
    assert "pam_mkhomedir.so" in site.on(LOGIN, "cat /etc/pam.d/common-session")
    assert re.search("^passwd:.* sss", site.on(LOGIN, "cat /etc/nsswitch.conf"), re.M)
    assert "sssd.service" not in site.hosts.units(MONITOR), "nobody logs in to a monitor node"


def test_limits_and_the_journal_are_as_rendered(site: Site) -> None:
    """A machine that may not raise its own limits says which it was told to set."""
    site.on(WORKER, "cat >/run/limited && chmod 0755 /run/limited", "#!/bin/sh\nulimit -Sn; ulimit -Hn\n")
    said = site.on(WORKER, "su -l center -c /run/limited; journalctl --no-pager --output=cat _COMM=su").split("\n")
    refused = "pam_limits(su-l:session): Could not set limit for 'nofile' to soft=65536, hard=1048576"
    assert said[:2] == ["65536", "1048576"] or any(line.startswith(refused) for line in said), said
    assert site.on(WORKER, "ls /var/log/journal/$(cat /etc/machine-id)/system.journal")


def test_the_nodes_of_a_cluster_know_each_other(site: Site) -> None:
    credential = site.on(LOGIN, "munge --no-input")
    assert "Success" in site.on(CONTROL, "unmunge", credential)
    with pytest.raises(CommandFailed):
        site.on(MONITOR, "ls /etc/munge")


def slurm(site: Site, command: str) -> dict[str, str]:
    """What scontrol says, field by field, asked on the login node."""
    return dict(word.split("=", 1) for word in site.on(LOGIN, f"scontrol {command} -o").split() if "=" in word)


def test_an_accepted_worker_takes_a_job_from_the_login_node(site: Site) -> None:
    wait_until(lambda: "is UP" in site.on(LOGIN, "scontrol ping"), 60, "slurmctld")
    assert site.hosts.units(WORKER)["slurmd.service"].active != "active"
    accept(site, WORKER)
    started = site.center("apply", "--yes")["hosts"]["hosts"]
    assert [unit["name"] for unit in started[WORKER]["units"]] == ["slurmd.service"]
    assert {host["state"] for name, host in started.items() if name != WORKER} == {"unchanged"}
    wait_until(lambda: slurm(site, f"show node {WORKER}")["State"].startswith("IDLE"), 60, "registration")
    ran = site.on(LOGIN, f"srun --immediate=30 --nodelist={WORKER} cat /etc/hostname")
    assert ran.strip() == WORKER


def test_workers_hear_of_a_new_node_from_the_controller(site: Site) -> None:
    """slurm.conf changes on the controller and login nodes only; a worker gets its copy from slurmctld."""
    spec = site.folder / "center.yaml"
    words = spec.read_text("utf-8")
    try:
        assert words.count("absent: [science-b02-4]") == 1
        spec.write_text(words.replace("absent: [science-b02-4]", "absent: []"), "utf-8")
        site.run("render")
        done = site.center("apply", "--yes")["hosts"]["hosts"]
        assert [unit["name"] for unit in done[CONTROL]["units"]] == ["slurmctld.service"]
        assert (done[WORKER]["state"], done[LOGIN]["units"]) == ("unchanged", [])
        wait_until(lambda: "science-b02-[1,2,3,4]" in site.on(WORKER, "cat /run/slurm/conf/slurm.conf"), 60, "the copy")
        wait_until(
            lambda: slurm(site, f"show node {WORKER}")["State"].startswith("IDLE"),
            60,
            "the worker",
            ignoring=(KeyError,),
        )
        assert site.on(LOGIN, f"srun --immediate=30 --nodelist={WORKER} cat /etc/hostname").strip() == WORKER
    finally:
        spec.write_text(words, "utf-8")
        site.run("render")


def accept(site: Site, host: str) -> None:
    """Mark a machine as one that has passed its checks, as `center accept` does."""
    parts = {name: f"/sys/class/dmi/id/product_{name}" for name in ("uuid", "serial")} | {
        "machine-id": "/etc/machine-id"
    }
    machine = {name: site.on(host, f"cat {path} 2>/dev/null || true").strip() for name, path in parts.items()}
    mark = {"version": 1, "checks": "", "date": "", "machine": machine}
    site.on(host, "mkdir -p /var/lib/center && cat >/var/lib/center/accepted.json", json.dumps(mark))


def ask_prometheus(site: Site, what: str) -> Any:
    return json.loads(site.on(MONITOR, f"curl --silent --fail http://localhost:9090/api/v1/{what}"))["data"]


def test_prometheus_watches_the_nodes_and_takes_new_alerts_without_a_gap(site: Site) -> None:
    def up() -> set[str]:
        targets = ask_prometheus(site, "targets?state=active")["activeTargets"]
        return {one["labels"]["node"] for one in targets if one["health"] == "up" and one["labels"]["job"] == "nodes"}

    wait_until(lambda: up() == set(NODES), 90, "four nodes that answer", ignoring=(RuntimeError,))
    before = site.hosts.units(MONITOR)["prometheus.service"].invocation
    spec = site.folder / "center.yaml"
    words = spec.read_text("utf-8")
    try:
        assert words.count("supply: 37 °C") == 1
        spec.write_text(words.replace("supply: 37 °C", "supply: 36.5 °C"), "utf-8")
        site.run("render")
        done = site.center("apply", "--yes")["hosts"]["hosts"]
        assert [unit["name"] for unit in done[MONITOR]["units"]] == ["center-alerts.service"]
        assert site.hosts.units(MONITOR)["prometheus.service"].invocation == before
        rules = json.dumps(ask_prometheus(site, "rules"), ensure_ascii=False)
        assert "vector(36.5)" in rules and "vector(37)" not in rules
    finally:
        spec.write_text(words, "utf-8")
        site.run("render")
