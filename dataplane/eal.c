#include "dataplane/eal.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_memory.h>

#include "storage/base/text.h"

#define EAL_PREFIX "millrace" /* Of DPDK's own files. */

enum {
    ARGUMENTS_MAX = 16,
    LCORES_BYTES = 16 * 1024,
    SERVICE_LCORE = 0, /* Core n is lcore n + 1. */
};

static struct {
    struct journal *journal;
    bool huge_pages;
    char telemetry[108];  /* Path of its socket; "": none. */
    char last_error[256]; /* What it complained about last: the reason when the start fails. */
    void (*run[EAL_CORES_MAX])(void *argument);
    void *argument[EAL_CORES_MAX];
} eal;

/* ---- Messages ---- */

static void message_write(const char *text, size_t len)
{
    char quoted[320];
    const int level = rte_log_cur_msg_loglevel();
    enum journal_level to = JOURNAL_DEBUG;
    if (level > 0 && level <= (int)RTE_LOG_ERR) {
        to = JOURNAL_ERROR;
        (void)snprintf(eal.last_error, sizeof(eal.last_error), "%.*s", (int)len, text);
    } else if (level == (int)RTE_LOG_WARNING) {
        to = JOURNAL_WARNING;
    }
    journal_say(eal.journal, to, "dpdk", "message=%s",
                journal_quote(quoted, sizeof(quoted), text, len));
}

/* Cuts what DPDK writes into lines; it writes whole ones. */
static ssize_t messages_write(void *cookie, const char *text, size_t len)
{
    (void)cookie;
    size_t start = 0;
    for (size_t i = 0; i <= len; i++) {
        if (i == len || text[i] == '\n') {
            if (i > start) {
                message_write(text + start, i - start);
            }
            start = i + 1;
        }
    }
    return (ssize_t)len;
}

static void messages_open(void)
{
    FILE *stream = fopencookie(NULL, "w", (cookie_io_functions_t){.write = messages_write});
    if (stream != NULL) {
        (void)setvbuf(stream, NULL, _IOLBF, 1024);
        (void)rte_openlog_stream(stream);
    }
}

/* ---- CPUs ---- */

uint32_t eal_allowed_cpus(uint16_t *cpus, uint32_t capacity)
{
    cpu_set_t set;
    uint32_t count = 0;
    if (sched_getaffinity(0, sizeof(set), &set) != 0) {
        return 0;
    }
    for (uint32_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &set)) {
            if (count < capacity) {
                cpus[count] = (uint16_t)cpu;
            }
            count++;
        }
    }
    return count;
}

static bool cpu_of_core(const struct eal_setup *setup, uint16_t cpu)
{
    for (uint32_t core = 0; core < setup->core_count; core++) {
        if (setup->core_cpus[core] == cpu) {
            return true;
        }
    }
    return false;
}

/* "(2,3)": the allowed CPUs, without those of the cores unless that leaves none. */
static void cpus_write(const struct eal_setup *setup, bool without_cores, struct text *text)
{
    uint16_t cpus[CPU_SETSIZE];
    const uint32_t count = eal_allowed_cpus(cpus, CPU_SETSIZE);
    uint32_t left = 0;
    for (uint32_t i = 0; i < count; i++) {
        left += !cpu_of_core(setup, cpus[i]);
    }
    char separator = '(';
    for (uint32_t i = 0; i < count; i++) {
        if (!without_cores || left == 0 || !cpu_of_core(setup, cpus[i])) {
            text_char(text, separator);
            text_u64(text, cpus[i]);
            separator = ',';
        }
    }
    text_char(text, ')');
}

/* "0@(2,3),1@0,2@1": the service thread on what the cores leave over, or on everything. */
static void lcores_write(const struct eal_setup *setup, struct text *text)
{
    text_printf(text, "--lcores=%d@", SERVICE_LCORE);
    cpus_write(setup, true, text);
    for (uint32_t core = 0; core < setup->core_count; core++) {
        text_printf(text, ",%u@", core + 1);
        if (setup->core_cpus[core] == EAL_CPU_ANY) {
            cpus_write(setup, false, text);
        } else {
            text_u64(text, setup->core_cpus[core]);
        }
    }
}

/* ---- Start ---- */

/* Huge pages that are there but cannot be had would fail the whole start, and it cannot be tried
 * twice: see beforehand. */
static bool huge_pages_there(uint64_t size)
{
    void *base = mmap(NULL, round_up(size, 2 << 20), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
    if (base == MAP_FAILED) {
        return false;
    }
    (void)munmap(base, round_up(size, 2 << 20));
    return true;
}

/* DPDK makes <run directory>/dpdk/millrace/ for it. A path too long for a socket would fail the
 * whole start. */
static bool telemetry_prepare(const struct eal_setup *setup)
{
    const int len =
        setup->run_directory == NULL
            ? -1
            : snprintf(eal.telemetry, sizeof(eal.telemetry),
                       "%s/dpdk/" EAL_PREFIX "/dpdk_telemetry.v2", setup->run_directory);
    if (len < 0 || (size_t)len >= sizeof(eal.telemetry) || setup->run_directory[0] != '/' ||
        (mkdir(setup->run_directory, 0700) != 0 && errno != EEXIST) ||
        setenv("RUNTIME_DIRECTORY", setup->run_directory, 1) != 0) {
        eal.telemetry[0] = '\0';
        return false;
    }
    (void)unlink(eal.telemetry); /* Of a process that was killed: the directory is ours. */
    return true;
}

bool eal_start(const struct eal_setup *setup, char *reason, size_t reason_bytes)
{
    ASSERT(setup->core_count > 0 && setup->core_count <= EAL_CORES_MAX);
    static char lcores[LCORES_BYTES];
    char memory[16];
    char device[256];
    struct text text;
    text_init(&text, lcores, sizeof(lcores));
    lcores_write(setup, &text);
    (void)snprintf(memory, sizeof(memory), "%u", setup->memory_mib);
    (void)snprintf(device, sizeof(device), "%s=%s", setup->pci ? "--allow" : "--vdev",
                   setup->device != NULL ? setup->device : "");
    eal.journal = setup->journal;
    eal.huge_pages =
        setup->huge_pages && huge_pages_there((uint64_t)setup->memory_mib * 1024 * 1024);

    /* rte_eal_init permutes the array and writes into the strings. */
    char *arguments[ARGUMENTS_MAX];
    static char storage[ARGUMENTS_MAX][LCORES_BYTES];
    const char *const wanted[] = {
        "millrace-dataplane",
        lcores,
        "--main-lcore=0",
        telemetry_prepare(setup) ? "--file-prefix=" EAL_PREFIX : "--no-telemetry",
        setup->pci ? NULL : "--no-pci",
        "--log-level=lib.eal:notice",
        "-m",
        memory,
        eal.huge_pages ? "--in-memory" : "--no-huge",
        eal.huge_pages ? NULL : "--no-shconf",
        setup->device != NULL ? device : NULL,
        /* Views of the arena go out by address, and pages of it need not lie side by side. */
        setup->device != NULL ? "--iova-mode=va" : NULL,
    };
    int count = 0;
    for (uint32_t i = 0; i < ARRAY_SIZE(wanted); i++) {
        if (wanted[i] != NULL) {
            (void)snprintf(storage[count], sizeof(storage[count]), "%s", wanted[i]);
            arguments[count] = storage[count];
            count++;
        }
    }
    arguments[count] = NULL;
    messages_open();
    if (rte_eal_init(count, arguments) < 0) {
        (void)snprintf(reason, reason_bytes, "DPDK did not start: %s (%s)", eal.last_error,
                       rte_strerror(rte_errno));
        return false;
    }
    return true;
}

void eal_stop(void)
{
    char *end = strrchr(eal.telemetry, '/');
    if (end == NULL) {
        return;
    }
    (void)unlink(eal.telemetry);
    for (uint32_t folders = 0; folders < 2 && end != NULL; folders++) { /* Ours, if empty now. */
        *end = '\0';
        (void)rmdir(eal.telemetry);
        end = strrchr(eal.telemetry, '/');
    }
    eal.telemetry[0] = '\0';
}

const char *eal_telemetry(void)
{
    return eal.telemetry;
}

static int core_run(void *argument)
{
    const uint32_t core = (uint32_t)(uintptr_t)argument;
    char name[16];
    (void)snprintf(name, sizeof(name), "core-%u", core);
    (void)pthread_setname_np(pthread_self(), name);
    eal.run[core](eal.argument[core]);
    return 0;
}

void eal_launch(uint32_t core, void (*run)(void *argument), void *argument)
{
    eal.run[core] = run;
    eal.argument[core] = argument;
    const int status = rte_eal_remote_launch(core_run, (void *)(uintptr_t)core, core + 1);
    ASSERT(status == 0); /* The lcore exists and runs nothing yet. */
}

void eal_join(uint32_t core)
{
    (void)rte_eal_wait_lcore(core + 1);
}

int eal_register_memory(const struct memory_area *area)
{
    if (area->page_bytes == MEMORY_PAGE_BYTES) {
        return 0;
    }
    const unsigned page_count = (unsigned)(area->size / area->page_bytes);
    return rte_extmem_register(area->base, area->size, NULL, page_count, area->page_bytes) == 0
               ? 0
               : -rte_errno;
}
