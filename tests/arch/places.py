"""Every list the architecture rules work from, and every exception with its reason.

To change what is allowed, change a row here; the rules themselves stand in rules.py and build.py.
"""

# Includes point down this line only: a directory may include those after it, never those before.
LAYERS = ["tools", "control", "dataplane", "storage"]

# control is another process: of dataplane/ it may see what the two share, and nothing of the cores.
CONTROL_SEES = ["dataplane/kafka", "dataplane/slowpath", "dataplane/profile", "dataplane/mail",
                "dataplane/journal.h", "dataplane/transport.h"]

# A header that belongs to one file. Keys are the start of the name between < >.
ONE_PLACE = {
    "liburing.h": ["storage/io/ring.c"],
    "rte_ethdev.h": ["dataplane/nic/nic_dpdk", "tests/dataplane/nic/"],
    "rte_": ["dataplane/main.c", "dataplane/nic/", "dataplane/eal", "tests/dataplane/nic/"],
}

# Pure code: everything it does is a function of its arguments.
PURE = [
    "control/group",
    "control/txn",
    "dataplane/kafka",
    "dataplane/net",
    "dataplane/stack",
    "dataplane/tcp",
    "storage/record",
    "storage/log",
]
PURE_REFUSES = [
    "unistd.h", "fcntl.h", "poll.h", "signal.h", "pthread.h", "threads.h", "time.h", "netdb.h",
    "sys/", "netinet/", "arpa/", "linux/", "liburing", "rte_",
]

# Code that runs on a core: no allocation after start, no call that may sleep.
CORE_CODE = [
    "storage/log",
    "storage/record",
    "dataplane/broker",
    "dataplane/kafka",
    "dataplane/mail",
    "dataplane/net",
    "dataplane/sock",
    "dataplane/stack",
    "dataplane/tcp",
    "dataplane/core_loop.c",
]
CORE_REFUSES = {
    "allocates": [
        "malloc", "calloc", "realloc", "reallocarray", "free", "strdup", "strndup", "asprintf",
        "vasprintf", "posix_memalign", "aligned_alloc", "mmap", "munmap", "getline",
    ],
    "may sleep": [
        "open", "openat", "creat", "close", "read", "pread", "readv", "preadv", "write", "pwrite",
        "writev", "pwritev", "fsync", "fdatasync", "sync", "syncfs", "sync_file_range",
        "fallocate", "posix_fallocate", "ftruncate", "truncate", "rename", "renameat", "unlink",
        "unlinkat", "mkdir", "mkdirat", "rmdir", "stat", "fstat", "lstat", "statfs", "opendir",
        "readdir", "flock", "sleep", "usleep", "nanosleep", "clock_nanosleep", "select", "poll",
        "ppoll", "epoll_wait", "wait", "waitpid", "accept", "accept4", "connect", "recv",
        "recvfrom", "recvmsg", "send", "sendto", "sendmsg", "getaddrinfo", "gethostbyname",
        "pthread_mutex_lock", "pthread_cond_wait", "pthread_join", "sem_wait", "mtx_lock",
        "futex", "system", "popen", "fork", "exit",
    ],
    "writes to a stream": [
        "printf", "fprintf", "vprintf", "vfprintf", "puts", "fputs", "putchar", "perror", "fopen",
        "fclose", "fread", "fwrite", "fflush", "fgets", "scanf", "fscanf", "syslog",
    ],
}
CORE_REFUSES["reads the clock, which is an argument"] = [
    "clock_gettime", "gettimeofday", "time", "rte_rdtsc", "rte_get_timer_cycles", "__rdtsc",
]
# (file, call): reason. Each reason says why the call cannot run on a core, or cannot sleep.
CORE_ALLOWED = {
    **{(f"storage/log/{name}.c", call): "log_create and log_destroy: no core runs on it then"
       for name in ("log", "arena", "clean") for call in ("calloc", "posix_memalign", "free")},
    **{(f"storage/log/clean_{name}.c", call): "jobs of compaction, never on a core"
       for name in ("filter", "live", "offsets", "run", "txns")
       for call in ("malloc", "calloc", "realloc", "posix_memalign", "free")},
    **{(f"storage/{name}.c", call): "jobs that compress a batch anew, never on a core"
       for name in ("log/rebuild", "record/packer") for call in ("malloc", "realloc", "free")},
    **{(f"storage/log/{name}.c", call): "recovery runs on ordinary threads"
       for name in ("recovery", "recovery_aborted", "recovery_index", "recovery_memory",
                    "recovery_partition", "recovery_state", "recovery_swap")
       for call in ("malloc", "calloc", "realloc", "posix_memalign", "free")},
    ("dataplane/core_loop.c", "clock_gettime"): "the one place, once a turn",
    ("dataplane/sock/listen.c", "close"): "opens listening sockets, at start only",
    ("dataplane/sock/listen.c", "getaddrinfo"): "asks for names of hosts, at start only",
}

# Code of which a simulation runs many on one thread: no state but in objects.
MANY_OF = ["storage", "dataplane", "control"]
# (file, variable): reason.
STATE_ALLOWED = {
    **{("control/main.c", name): "the program's own"
       for name in ("settings", "problems", "program_dir")},
    **{("dataplane/main.c", name): "the program's own"
       for name in ("settings", "problems", "socket_path", "directories", "recover", "cores",
                    "service", "port")},
    **{("dataplane/eal.c", name): "DPDK's environment is one of a process"
       for name in ("eal", "lcores", "storage")},
    ("dataplane/nic/nic_dpdk.c", "nic_port"): "DPDK's port is one of a process",
    ("dataplane/bypass.c", "routes"): "the text of a file, at start only",
    ("dataplane/slowpath/link.c", "real"): "stands for the kernel, holds nothing",
}

# Where each .c has its test in the mirrored place: x/y.c <-> tests/x/test_y.c, or test_y.py where
# the test runs the whole program.
MIRRORED = ["storage", "dataplane", "control", "tools"]
# file: reason it has no test file of its own.
MIRROR_EXCEPTIONS = {
    "storage/base/check.c": "one function that ends the process",
    "storage/base/crc32c_x86.c": "private to crc32c.c; test_crc32c.c runs every way",
    "dataplane/profile/kafka_keys_broker.c": "a table; test_kafka_keys.c walks every row",
    "dataplane/profile/kafka_keys_topic.c": "tables; test_kafka_keys.c walks every row",
    "tools/doctor_bypass.c": "test_host.c runs it on recorded hosts",
    "tools/tune.c": "test_host.c reads its script",
    **{f"tools/{name}.c": "a group of checks; test_doctor.c runs each"
       for name in ("doctor_disk", "doctor_host", "doctor_port", "doctor_ring")},
    **{f"tools/{name}.c": "test_log_tools.py runs it on files made by other code"
       for name in ("log_dump", "log_seal", "log_verify", "log_verify_index")},
    **{f"tools/{name}.c": "test_up.py runs it with real processes"
       for name in ("down", "status")},
    **{f"tools/{name}.c": "tests/interop/seeing.py runs it over a tap, and with kernel sockets"
       for name in ("capture", "net", "net_socket")},
    **{f"tools/bench/{name}.c": "a whole run; test_bench.py makes it against a broker that errs"
       for name in ("null_broker", "produce")},
    "tools/bench/path_sockets.c": "what test_peer.c reads and writes by",
    **{f"tools/bench/{name}.c": "tests/interop/memif.py runs it against a node"
       for name in ("main_port", "path_port")},
    "tools/completion.c": "the second half of cli.h; test_cli.c runs it in a shell",
    "tools/main.c": "calls cli_run",
    **{f"dataplane/nic/nic_dpdk_{name}.c": "a part of the port; test_nic_dpdk.c starts and asks it"
       for name in ("deal", "start", "tell")},
    "dataplane/watch/share.c": "tests/interop/sharing.py runs it: it needs a tap and two networks",
    "dataplane/main.c": "puts the process together; the interop and crash suites run it",
    "control/main.c": "puts the process together; the interop and crash suites run it",
}

LINES_PER_FUNCTION = 70
LINES_PER_FILE = 800
COLUMNS = 100

# A table of data rows may be longer than a file of logic.
LONG_FILES = {}

BANNED_WORDS = ["worker", "shard"]
# (file, identifier): reason, for names that come from outside.
NAME_EXCEPTIONS = {
    ("tests/arch/build.py", "max_workers"): "Python's own",
}
# File: reason it may name the banned things.
RULE_FILES = {
    "tests/arch/places.py": "holds the lists",
    "tests/arch/test_rules.py": "plants the violations",
}

# Written in two halves, so that this file does not hold the marks it looks for.
MARKS = ["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]

# Of x86-64; what is wider is chosen at run time.
MACHINE_FLAG = "-march=x86-64-v2"

# The top level is fixed; hidden files are free.
TOP_LEVEL = [
    "meson.build", "dataplane", "storage", "control", "tools", "tests", "hw-profiles", "README.md",
    "LICENSE",
]
