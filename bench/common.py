"""What bench/run, bench/large and bench/memory share: building, starting and stopping the programs,
reading what the kernel says about them, and running the load generator. Python's standard library only."""

import http.client
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# The four users of `qstash dev`; they are public constants.
TOKENS = [
    "eyJVc2VySUQiOiJkZWZhdWx0VXNlciIsIlBhc3N3b3JkIjoiZGVmYXVsdFBhc3N3b3JkIn0=",
    "eyJVc2VySUQiOiJ0ZXN0VXNlcjEiLCJQYXNzd29yZCI6InRlc3RQYXNzd29yZCJ9",
    "eyJVc2VySUQiOiJ0ZXN0VXNlcjIiLCJQYXNzd29yZCI6InRlc3RQYXNzd29yZCJ9",
    "eyJVc2VySUQiOiJ0ZXN0VXNlcjMiLCJQYXNzd29yZCI6InRlc3RQYXNzd29yZCJ9",
]
AUTH = {"Authorization": "Bearer " + TOKENS[0]}


class Failure(Exception):
    """Something that ends the run, told to the user in one line."""


def wait_until(what, ceiling_s, test, step_s=0.01):
    """Polls test() until it is true; the value is its result."""
    end = time.monotonic() + ceiling_s
    while True:
        got = test()
        if got:
            return got
        if time.monotonic() > end:
            raise Failure(f"{what}: not within {ceiling_s} s")
        time.sleep(step_s)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


def output_of(*command):
    """What a command prints, or "" when it cannot be run."""
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
        return (done.stdout + done.stderr).strip() if done.returncode == 0 else ""
    except (OSError, subprocess.TimeoutExpired):
        return ""


# ---------------------------------------------------------------- programs

FOLDERS = {"bench-load": "bench", "bench-sink": "bench", "bench-flow": "bench", "qstash": "src/app"}


class Programs:
    """The release binaries, built unless told not to."""

    def __init__(self, build_dir, build=True, server=True, extra=()):
        self.build_dir = os.path.abspath(os.path.join(ROOT, build_dir))
        names = ["bench-load", "bench-sink", *extra] + (["qstash"] if server else [])
        if build:
            self._build(names)
        self.paths = {name: self._find(name) for name in names}

    def _build(self, names):
        command = [os.path.join(ROOT, "tools/build"), self.build_dir, *(f"{FOLDERS[n]}/{n}" for n in names)]
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, "MESON_ARGS": "--buildtype=release"},
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.stderr.write(done.stdout[-4000:] + done.stderr[-4000:])
            raise Failure("the build failed: " + " ".join(command))

    def _find(self, name):
        for folder in ("", FOLDERS[name]):
            path = os.path.join(self.build_dir, folder, name)
            if os.path.isfile(path):
                return path
        raise Failure(f"{self.build_dir} has no {name}")

    def __getitem__(self, name):
        return self.paths[name]


class Process:
    """A process that this script started, and ends by its id."""

    def __init__(self, command, log_path):
        with open(log_path, "ab") as log:
            self.popen = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.log_path = log_path

    @property
    def pid(self):
        return self.popen.pid

    def check_alive(self):
        if self.popen.poll() is not None:
            with open(self.log_path, errors="replace") as f:
                tail = f.read()[-2000:]
            raise Failure(f"{self.popen.args[0]} ended with {self.popen.returncode}:\n{tail}")

    def stop(self, ceiling_s=30):
        """SIGTERM, and SIGKILL when that is not enough. Returns the exit status."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
        try:
            return self.popen.wait(ceiling_s)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            return self.popen.wait()

    def tree(self):
        """Ids of the process and all its descendants."""
        parent = {}
        for name in os.listdir("/proc"):
            stat = name.isdigit() and _stat(int(name))
            if stat:
                parent[int(name)] = int(stat[1])
        found = [self.pid]
        for pid in found:
            found += [p for p, of in parent.items() if of == pid]
        return found

    def cpu_us(self):
        """User and system time so far: all threads, all children, those that have ended too."""
        ticks = 0
        for pid in self.tree():
            stat = _stat(pid)
            if stat:
                ticks += sum(int(t) for t in stat[11:15])
        return ticks * 1_000_000 // os.sysconf("SC_CLK_TCK")

    def memory_mb(self, field="VmHWM"):
        """VmHWM (peak) or VmRSS (now), summed over the process and its descendants."""
        kb = 0
        for pid in self.tree():
            try:
                with open(f"/proc/{pid}/status") as f:
                    kb += sum(int(line.split()[1]) for line in f if line.startswith(field + ":"))
            except OSError:
                pass
        return kb / 1024

    def forget_peak(self):
        """Lets VmHWM start again from the present memory."""
        for pid in self.tree():
            with open(f"/proc/{pid}/clear_refs", "w") as f:
                f.write("5")


def _stat(pid):
    """The fields of /proc/PID/stat from the state (field 3) on, or None."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()
    except OSError:
        return None


class Sink:
    def __init__(self, programs, folder, *options):
        log = os.path.join(folder, "sink.log")
        self.process = Process([programs["bench-sink"], *options], log)
        self.port = wait_until("bench-sink starts", 5, lambda: self._port(log))
        self.url = f"http://127.0.0.1:{self.port}/"

    def _port(self, log):
        self.process.check_alive()
        with open(log) as f:
            line = f.readline()
        return int(line.split()[1]) if line.endswith("\n") else None

    def stats(self):
        return json.loads(request(self.port, "GET", "/stats")[1])

    def reset(self):
        request(self.port, "POST", "/reset")

    def wait_for(self, count, ceiling_s):
        """The stats once `count` requests were there, or those at the ceiling."""
        end = time.monotonic() + ceiling_s
        while True:
            stats = self.stats()
            if stats["count"] >= count or time.monotonic() > end:
                return stats
            time.sleep(0.02)

    def stop(self):
        self.process.stop()


class Nginx:
    """nginx in front of the sink."""

    def __init__(self, folder, sink, workers):
        os.makedirs(folder)
        self.port = free_port()
        conf = os.path.join(folder, "nginx.conf")
        with open(os.path.join(ROOT, "bench", "nginx.conf.in")) as f:
            text = f.read()
        user = "user root root;" if os.geteuid() == 0 else ""
        for name, value in {"DIR": folder, "WORKERS": workers, "USER": user, "PORT": self.port,
                            "SINK_PORT": sink.port}.items():
            text = text.replace(f"@{name}@", str(value))
        with open(conf, "w") as f:
            f.write(text)
        binary = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
        if not binary:
            raise Failure("nginx is not installed (Debian package nginx-light, nginx)")
        self.process = Process([binary, "-e", "stderr", "-p", folder, "-c", conf], folder + ".log")
        self.target = f"http://127.0.0.1:{self.port}/"
        wait_until("nginx starts", 5, lambda: self.process.check_alive() or is_open(self.port))

    def stop(self):
        return self.process.stop()


class Qstash:
    """The server itself: durable, logs on, in a data directory of its own."""

    def __init__(self, programs, folder, sink_port, *options):
        os.makedirs(folder, exist_ok=True)
        self.port, log_port = free_port(), free_port()
        begin = time.monotonic()
        self.process = Process([programs["qstash"], "dev", "--port", str(self.port), "--log-port", str(log_port),
                                "--data-dir", os.path.join(folder, "data"), *options], folder + ".log")
        self.target = f"http://127.0.0.1:{self.port}/v2/publish/http://127.0.0.1:{sink_port}/"
        try:
            wait_until("qstash is ready", 60, self._is_ready, 0.002)
        except Failure:
            self.stop()
            raise
        self.ready_s = time.monotonic() - begin

    def _is_ready(self):
        self.process.check_alive()
        try:
            return request(self.port, "GET", "/v2/keys", AUTH)[0] == 200
        except OSError:
            return False

    def stop(self):
        return self.process.stop()


def is_open(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def request(port, method, path, headers=None, body=None, timeout_s=30):
    """One request on a connection of its own: (status, body)."""
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        c.request(method, path, body, headers or {})
        answer = c.getresponse()
        return answer.status, answer.read()
    except http.client.HTTPException as e:
        raise OSError(f"no HTTP answer: {e!r}") from e
    finally:
        c.close()


# ---------------------------------------------------------------- load

def load_command(programs, target, **options):
    """options: conns, requests, seconds, rate, body_file, drain_ms, progress, headers (a dict)."""
    command = [programs["bench-load"]]
    for name, value in options.pop("headers", AUTH).items():
        command += ["--header", f"{name}: {value}"]
    for name, value in options.items():
        command += ["--" + name.replace("_", "-"), str(value)]
    return command + [target]


def load(programs, target, **options):
    """Runs the load generator to its end and returns what it counted."""
    command = load_command(programs, target, **options)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failure("bench-load: " + done.stderr.strip())
    return json.loads(done.stdout)


# ---------------------------------------------------------------- the machine

def file_system_of(path):
    best = ("", "?")
    with open("/proc/mounts") as f:
        for line in f:
            _, at, kind, *_ = line.split()
            if os.path.realpath(path).startswith(at) and len(at) > len(best[0]):
                best = (at, kind)
    return best[1]


def fdatasync_ms(folder, count=200):
    """Median and 99th percentile of appending 4 KB to a file and making it durable."""
    times = []
    fd, path = tempfile.mkstemp(dir=folder)
    try:
        for i in range(count):
            begin = time.monotonic_ns()
            os.pwrite(fd, b"x" * 4096, i * 4096)
            os.fdatasync(fd)
            times.append((time.monotonic_ns() - begin) / 1e6)
    finally:
        os.close(fd)
        os.unlink(path)
    times.sort()
    return statistics.median(times), times[count * 99 // 100]


def cores():
    return len(os.sched_getaffinity(0))


def machine_busy_us():
    """CPU time that all cores have spent on anything but idling."""
    with open("/proc/stat") as f:
        t = [int(x) for x in f.readline().split()[1:9]]
    return (sum(t) - t[3] - t[4]) * 1_000_000 // os.sysconf("SC_CLK_TCK")


def cpu_model():
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return "?"


def print_machine(folder, programs):
    median, p99 = fdatasync_ms(folder)
    u = os.uname()
    print(f"machine: {cores()} cores, {cpu_model()}, {u.sysname} {u.release}")
    print(f"data directory: {file_system_of(folder)}, fdatasync of 4 KB: median {median:.2f} ms, p99 {p99:.2f} ms")
    versions = [output_of("nginx", "-v") or output_of("/usr/sbin/nginx", "-v")]
    for name in ("sqlite3", "libcurl", "libuv", "libcrypto"):
        versions.append(f"{name} {output_of('pkg-config', '--modversion', name) or '?'}")
    if "qstash" in programs.paths:
        versions.append("qstash at commit " + (output_of("git", "rev-parse", "--short", "HEAD") or "?"))
    print("versions: " + ", ".join(v.replace("nginx version: ", "") for v in versions if v))
    if file_system_of(folder) in ("tmpfs", "ramfs"):
        print("WARNING: the data directory is in memory; durable writes cost nothing there. Use --dir.")
    sys.stdout.flush()


# ---------------------------------------------------------------- running a script

def main(body):
    """Runs body(), turns SIGTERM into a clean end, and tells a Failure in one line."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(body())
    except Failure as e:
        print(f"{os.path.basename(sys.argv[0])}: {e}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def add_common_options(parser):
    parser.add_argument("--build", default="build-bench", metavar="DIR", help="build folder (default %(default)s)")
    parser.add_argument("--no-build", action="store_true", help="take the binaries that are there")
    parser.add_argument("--dir", default=None, metavar="DIR",
                        help="where the temporary data directory is made (default: the system's)")
