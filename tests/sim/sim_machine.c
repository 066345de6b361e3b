#include "tests/sim/sim_machine.h"

#include <string.h>

#include "storage/base/random.h"
#include "tests/sim/sim_internal.h"

void *sim_allocate(size_t size)
{
    void *memory = calloc(1, size == 0 ? 1 : size);
    ASSERT(memory != NULL);
    return memory;
}

/* ---- Randomness ----------------------------------------------------------------------------- */

uint64_t sim_machine_random(struct sim_machine *machine)
{
    return random_mix(&machine->random);
}

uint64_t draw_below(struct sim_machine *machine, uint64_t limit)
{
    return sim_machine_random(machine) % limit;
}

bool draw_one_in(struct sim_machine *machine, uint64_t n)
{
    return draw_below(machine, n) == 0;
}

uint64_t draw_latency(struct sim_machine *machine, struct sim_range range)
{
    const uint64_t spread = range.max_ns - range.min_ns;
    const uint64_t value = range.min_ns + draw_below(machine, spread + 1);
    return draw_one_in(machine, 32) ? value * 10 : value;
}

/* ---- Life ----------------------------------------------------------------------------------- */

static void range_default(struct sim_range *range, uint64_t min_us, uint64_t max_us)
{
    if (range->max_ns == 0) {
        *range = (struct sim_range){min_us * 1000, max_us * 1000};
    }
    ASSERT(range->min_ns <= range->max_ns);
}

struct sim_machine *sim_machine_create(const struct sim_options *options)
{
    struct sim_machine *machine = sim_allocate(sizeof(*machine));
    machine->options = *options;
    machine->random = options->seed;
    machine->now_ns = options->start_ns == 0 ? 1000000000 : options->start_ns;
    range_default(&machine->options.write, 5, 200);
    range_default(&machine->options.read, 5, 200);
    range_default(&machine->options.flush, 50, 2000);
    range_default(&machine->options.call, 1, 100);
    if (options->late_max_ns == 0) {
        machine->options.late_max_ns = 60000000;
    }
    machine->crash_at = UINT64_MAX;
    list_init(&machine->processes);
    list_init(&machine->disks);
    list_init(&machine->inodes);
    list_init(&machine->name_changes);
    machine->root = inode_new(machine, true, 0);
    machine->devices[0] = (struct sim_device){UINT64_MAX, 0, ENOSPC, false, false};
    machine->device_count = 1;
    return machine;
}

void sim_machine_destroy(struct sim_machine *machine)
{
    LIST_FOR_EACH(node, &machine->processes)
    {
        sim_process_end(CONTAINER_OF(node, struct sim_process, node));
    }
    LIST_FOR_EACH(node, &machine->disks)
    {
        disk_power_cut(CONTAINER_OF(node, struct disk, node));
    }
    ASSERT(list_empty(&machine->disks));
    LIST_FOR_EACH(node, &machine->name_changes)
    {
        name_change_free(CONTAINER_OF(node, struct sim_name_change, node));
    }
    LIST_FOR_EACH(node, &machine->inodes)
    {
        struct sim_inode *inode = CONTAINER_OF(node, struct sim_inode, node);
        store_free(inode);
        names_free(&inode->now);
        names_free(&inode->durable);
        free(inode);
    }
    free(machine->boundaries);
    free(machine);
}

const struct sim_counters *sim_machine_counters(const struct sim_machine *machine)
{
    return &machine->counters;
}

/* ---- Time ----------------------------------------------------------------------------------- */

uint64_t sim_machine_now_ns(const struct sim_machine *machine)
{
    return machine->now_ns;
}

void sim_machine_set_flush(struct sim_machine *machine, struct sim_range flush)
{
    ASSERT(flush.min_ns <= flush.max_ns);
    machine->options.flush = flush;
}

/* The disk or port whose next event is the earliest. */
static uint64_t event_find(const struct sim_machine *machine, struct disk **disk,
                           struct housekeeping_port **port)
{
    uint64_t first_ns = UINT64_MAX;
    *disk = NULL;
    *port = NULL;
    LIST_FOR_EACH(node, &machine->disks)
    {
        struct disk *here = CONTAINER_OF(node, struct disk, node);
        const uint64_t at_ns = disk_next_ns(here);
        if (at_ns < first_ns) {
            first_ns = at_ns;
            *disk = here;
        }
    }
    LIST_FOR_EACH(process_node, &machine->processes)
    {
        struct sim_process *process = CONTAINER_OF(process_node, struct sim_process, node);
        LIST_FOR_EACH(node, &process->ports)
        {
            struct housekeeping_port *here = CONTAINER_OF(node, struct housekeeping_port, node);
            const uint64_t at_ns = port_next_ns(here);
            if (at_ns < first_ns) {
                first_ns = at_ns;
                *disk = NULL;
                *port = here;
            }
        }
    }
    return first_ns;
}

static void disks_enter(struct sim_machine *machine)
{
    LIST_FOR_EACH(node, &machine->disks)
    {
        disk_enter(CONTAINER_OF(node, struct disk, node));
    }
}

uint64_t sim_machine_next_ns(const struct sim_machine *machine)
{
    struct disk *disk;
    struct housekeeping_port *port;
    return event_find(machine, &disk, &port);
}

/* One event not later than until_ns. */
static bool machine_step(struct sim_machine *machine, uint64_t until_ns)
{
    disks_enter(machine);
    struct disk *disk;
    struct housekeeping_port *port;
    const uint64_t at_ns = event_find(machine, &disk, &port);
    if (at_ns == UINT64_MAX || at_ns > until_ns) {
        return false;
    }
    machine->now_ns = max_u64(machine->now_ns, at_ns);
    if (disk != NULL) {
        disk_step(disk, machine->now_ns);
    } else {
        port_step(port, machine->now_ns);
    }
    return true;
}

bool sim_machine_step(struct sim_machine *machine)
{
    return machine_step(machine, UINT64_MAX);
}

void sim_machine_advance(struct sim_machine *machine, uint64_t until_ns)
{
    while (machine_step(machine, until_ns)) {
    }
    machine->now_ns = max_u64(machine->now_ns, until_ns);
}

/* ---- Processes ------------------------------------------------------------------------------ */

struct sim_process *sim_process_start(struct sim_machine *machine)
{
    struct sim_process *process = sim_allocate(sizeof(*process));
    process->machine = machine;
    process->files.process = process;
    process->id = machine->process_ids++;
    process->alive = true;
    list_init(&process->ports);
    list_push_back(&machine->processes, &process->node);
    return process;
}

struct file_system *sim_process_files(struct sim_process *process)
{
    return &process->files;
}

bool sim_process_alive(const struct sim_process *process)
{
    return process->alive;
}

uint64_t sim_process_spent_ns(const struct sim_process *process)
{
    return process->spent_ns;
}

void description_release(struct sim_machine *machine, struct sim_description *description)
{
    if (--description->references > 0) {
        return;
    }
    struct sim_inode *inode = description->inode;
    if (inode->lock_owner == description) {
        inode->lock_owner = NULL;
    }
    inode->opens--;
    inode_released(machine, inode);
    free(description);
}

struct sim_description *process_description(struct sim_process *process, int fd)
{
    return fd >= 0 && (uint32_t)fd < process->description_count ? process->descriptions[fd] : NULL;
}

/* What the kernel does when a process ends. */
static void process_die(struct sim_process *process)
{
    struct sim_machine *machine = process->machine;
    process->alive = false;
    for (uint32_t fd = 0; fd < process->description_count; fd++) {
        if (process->descriptions[fd] != NULL) {
            description_release(machine, process->descriptions[fd]);
        }
    }
    free(process->descriptions);
    process->descriptions = NULL;
    process->description_count = 0;
    LIST_FOR_EACH(node, &machine->disks)
    {
        struct disk *disk = CONTAINER_OF(node, struct disk, node);
        if (disk->process == process && !disk->dead) {
            disk_killed(disk);
        }
    }
}

void sim_process_kill(struct sim_process *process)
{
    if (process->alive) {
        process->machine->counters.kills++;
        process_die(process);
    }
}

void sim_process_end(struct sim_process *process)
{
    struct sim_machine *machine = process->machine;
    if (process->alive) {
        process_die(process);
    }
    LIST_FOR_EACH(node, &machine->disks)
    {
        struct disk *disk = CONTAINER_OF(node, struct disk, node);
        if (disk->process == process) {
            disk->process = NULL;
            if (list_empty(&disk->under_way)) {
                disk_free(disk);
            }
        }
    }
    LIST_FOR_EACH(node, &process->ports)
    {
        port_free(CONTAINER_OF(node, struct housekeeping_port, node));
    }
    list_remove(&process->node);
    free(process);
}

/* ---- Crashes -------------------------------------------------------------------------------- */

void sim_machine_power_cut(struct sim_machine *machine)
{
    machine->counters.power_cuts++;
    const enum sim_cut_style style = (enum sim_cut_style)draw_below(machine, CUT_STYLES);
    const enum sim_cut_style names_style = (enum sim_cut_style)draw_below(machine, CUT_STYLES);
    disks_enter(machine);
    LIST_FOR_EACH(node, &machine->processes)
    {
        struct sim_process *process = CONTAINER_OF(node, struct sim_process, node);
        if (process->alive) {
            process_die(process);
        }
    }
    LIST_FOR_EACH(node, &machine->disks)
    {
        disk_power_cut(CONTAINER_OF(node, struct disk, node));
    }
    LIST_FOR_EACH(node, &machine->inodes)
    {
        struct sim_inode *inode = CONTAINER_OF(node, struct sim_inode, node);
        if (!inode->directory) {
            store_power_cut(machine, inode, style);
        }
    }
    names_power_cut(machine, names_style);
}

static void crash_now(struct sim_machine *machine, struct sim_process *process)
{
    machine->crash_at = UINT64_MAX;
    if (machine->crash == SIM_CRASH_KILL && process == NULL) {
        machine->crash = SIM_CRASH_KILL_ALL; /* A late write of nobody any more. */
    }
    switch (machine->crash) {
    case SIM_CRASH_KILL: sim_process_kill(process); break;
    case SIM_CRASH_KILL_ALL:
        LIST_FOR_EACH(node, &machine->processes)
        {
            sim_process_kill(CONTAINER_OF(node, struct sim_process, node));
        }
        break;
    case SIM_CRASH_POWER: sim_machine_power_cut(machine); break;
    }
}

static void boundary_record(struct sim_machine *machine, const struct sim_boundary *boundary,
                            const struct sim_inode *inode)
{
    if (machine->boundary_count >= machine->boundary_capacity) {
        machine->boundary_capacity = max_u64(256, machine->boundary_capacity * 2);
        machine->boundaries =
            realloc(machine->boundaries, machine->boundary_capacity * sizeof(*boundary));
        ASSERT(machine->boundaries != NULL);
    }
    struct sim_boundary *to = &machine->boundaries[machine->boundary_count];
    *to = *boundary;
    names_path(inode, to->path, sizeof(to->path));
}

bool boundary_pass(struct sim_machine *machine, struct sim_process *process,
                   enum sim_operation operation, const struct sim_inode *inode, uint64_t offset,
                   uint64_t len)
{
    if (process != NULL && !process->alive) {
        return false;
    }
    if (!machine->options.boundaries_unrecorded) {
        boundary_record(machine,
                        &(struct sim_boundary){
                            operation, process == NULL ? UINT32_MAX : process->id, offset, len, ""},
                        inode);
    }
    if (machine->boundary_count++ == machine->crash_at) {
        crash_now(machine, process);
    }
    return process == NULL || process->alive;
}

uint64_t sim_machine_boundary_count(const struct sim_machine *machine)
{
    return machine->boundary_count;
}

const struct sim_boundary *sim_machine_boundary(const struct sim_machine *machine, uint64_t index)
{
    ASSERT(index < machine->boundary_count);
    return machine->boundaries == NULL ? NULL : &machine->boundaries[index];
}

void sim_machine_crash_at(struct sim_machine *machine, uint64_t index, enum sim_crash crash)
{
    ASSERT(index >= machine->boundary_count);
    machine->crash_at = index;
    machine->crash = crash;
}

/* ---- Faults --------------------------------------------------------------------------------- */

uint32_t sim_machine_add_device(struct sim_machine *machine, const char *path)
{
    struct sim_inode *dir;
    const char *name;
    size_t len;
    ASSERT(machine->device_count < SIM_DEVICES_MAX);
    ASSERT(names_parent(machine, path, &dir, &name, &len) == 0);
    ASSERT(names_find(&dir->now, name, len) == NULL);
    const uint32_t device = machine->device_count++;
    machine->devices[device] = (struct sim_device){UINT64_MAX, 0, ENOSPC, false, false};
    names_link(machine, dir, name, len, inode_new(machine, true, device));
    names_commit(machine, dir);
    return device;
}

void sim_device_set_capacity(struct sim_machine *machine, uint32_t device, uint64_t bytes,
                             int error)
{
    ASSERT(device < machine->device_count);
    machine->devices[device].capacity_bytes = bytes;
    machine->devices[device].full_error = error;
}

void sim_device_set_read_only(struct sim_machine *machine, uint32_t device, bool read_only)
{
    ASSERT(device < machine->device_count);
    machine->devices[device].read_only = read_only;
}

void sim_device_set_dead(struct sim_machine *machine, uint32_t device, bool dead)
{
    ASSERT(device < machine->device_count);
    machine->devices[device].dead = dead;
}

void sim_machine_add_fault(struct sim_machine *machine, const struct sim_fault *fault)
{
    ASSERT(machine->fault_count < SIM_FAULTS_MAX);
    machine->faults[machine->fault_count++] = *fault;
}

void sim_machine_clear_faults(struct sim_machine *machine)
{
    machine->fault_count = 0;
}

static int fault_injected(struct sim_machine *machine, enum sim_operation operation,
                          const char *path)
{
    for (uint32_t i = 0; i < machine->fault_count; i++) {
        struct sim_fault *fault = &machine->faults[i];
        if ((fault->operation != SIM_ANY && fault->operation != operation) ||
            strstr(path, fault->path) == NULL) {
            continue;
        }
        if (fault->skip > 0) {
            fault->skip--;
            continue;
        }
        const int error = fault->error;
        if (fault->count > 0 && --fault->count == 0) {
            *fault = machine->faults[--machine->fault_count];
        }
        return error;
    }
    return 0;
}

static bool operation_changes(enum sim_operation operation)
{
    return operation != SIM_READ && operation != SIM_OPEN && operation != SIM_LIST &&
           operation != SIM_LOCK && operation != SIM_SPACE && operation != SIM_FLUSH;
}

int fault_check(struct sim_machine *machine, enum sim_operation operation, uint32_t device,
                const char *path)
{
    int error = fault_injected(machine, operation, path);
    if (machine->devices[device].dead) {
        error = EIO;
    } else if (machine->devices[device].read_only && operation_changes(operation)) {
        error = EROFS;
    }
    machine->counters.failed_operations += error != 0;
    return error;
}

int fault_check_inode(struct sim_machine *machine, enum sim_operation operation,
                      const struct sim_inode *inode)
{
    char path[512];
    names_path(inode, path, sizeof(path));
    return fault_check(machine, operation, inode->device, path);
}

/* ---- Behind everybody's back ---------------------------------------------------------------- */

static int entry_compare(const void *left, const void *right)
{
    const struct sim_entry *a = left;
    const struct sim_entry *b = right;
    return strcmp(a->name, b->name);
}

int sim_machine_list(struct sim_machine *machine, const char *path,
                     void (*each)(void *context, const char *name, bool directory), void *context)
{
    struct sim_inode *dir;
    if (names_lookup(machine, path, &dir) != 0 || !dir->directory) {
        return -ENOENT;
    }
    const uint32_t count = (uint32_t)dir->now.count;
    struct sim_entry *sorted = sim_allocate((count + 1) * sizeof(*sorted));
    memcpy(sorted, dir->now.entries, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), entry_compare);
    for (uint32_t i = 0; i < count; i++) {
        each(context, sorted[i].name, sorted[i].inode->directory);
    }
    free(sorted);
    return 0;
}

int64_t sim_machine_file_size(struct sim_machine *machine, const char *path)
{
    struct sim_inode *inode;
    return names_lookup(machine, path, &inode) == 0 ? (int64_t)inode->size : -ENOENT;
}

int64_t sim_machine_peek(struct sim_machine *machine, const char *path, void *to, uint64_t size,
                         uint64_t offset)
{
    struct sim_inode *inode;
    if (names_lookup(machine, path, &inode) != 0) {
        return -ENOENT;
    }
    if (offset >= inode->size) {
        return 0;
    }
    const uint64_t here = min_u64(size, inode->size - offset);
    store_read(inode, to, here, offset);
    return (int64_t)here;
}

int sim_machine_poke(struct sim_machine *machine, const char *path, const void *from, uint64_t size,
                     uint64_t offset)
{
    struct sim_inode *inode;
    if (names_lookup(machine, path, &inode) != 0) {
        return -ENOENT;
    }
    ASSERT(offset + size <= inode->size);
    store_poke(inode, from, size, offset);
    return 0;
}

int sim_machine_flip_bit(struct sim_machine *machine, const char *path, uint64_t offset,
                         uint32_t bit)
{
    uint8_t byte;
    if (sim_machine_peek(machine, path, &byte, 1, offset) != 1) {
        return -ENOENT;
    }
    byte ^= (uint8_t)(1u << (bit % 8));
    return sim_machine_poke(machine, path, &byte, 1, offset);
}

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ at[i]) * 0x100000001b3u;
    }
    return hash;
}

uint64_t sim_machine_digest(struct sim_machine *machine)
{
    uint64_t sum = 0;
    LIST_FOR_EACH(node, &machine->inodes)
    {
        const struct sim_inode *inode = CONTAINER_OF(node, struct sim_inode, node);
        char path[512];
        uint8_t page[SIM_PAGE_BYTES];
        names_path(inode, path, sizeof(path));
        if (inode->links == 0 && inode != machine->root) {
            continue;
        }
        uint64_t hash = hash_bytes(0xcbf29ce484222325u, path, strlen(path));
        hash = hash_bytes(hash, &inode->size, sizeof(inode->size));
        for (uint64_t at = 0; at < inode->size; at += SIM_PAGE_BYTES) {
            store_read(inode, page, SIM_PAGE_BYTES, at);
            if (page[0] != 0 || memcmp(page, page + 1, SIM_PAGE_BYTES - 1) != 0) {
                hash = hash_bytes(hash, &at, sizeof(at));
                hash = hash_bytes(hash, page, SIM_PAGE_BYTES);
            }
        }
        sum += hash; /* The order of inodes does not count. */
    }
    return sum;
}

void sim_machine_invariants(const struct sim_machine *machine)
{
    uint64_t reserved[SIM_DEVICES_MAX] = {0};
    LIST_FOR_EACH(node, &machine->inodes)
    {
        const struct sim_inode *inode = CONTAINER_OF(node, struct sim_inode, node);
        store_invariants(inode);
        reserved[inode->device] += inode->reserved_pages * SIM_PAGE_BYTES;
        ASSERT(inode->lock_owner == NULL || inode->opens > 0);
        ASSERT(inode->links <= 1);
    }
    for (uint32_t i = 0; i < machine->device_count; i++) {
        ASSERT(reserved[i] == machine->devices[i].used_bytes);
    }
}
