/* What the files of the simulated machine share. Nobody else includes it. */
#ifndef TESTS_SIM_SIM_INTERNAL_H
#define TESTS_SIM_SIM_INTERNAL_H

#include <errno.h>
#include <stdlib.h>

#include "storage/base/list.h"
#include "storage/io/disk.h"
#include "storage/io/housekeeping.h"
#include "tests/sim/sim_machine.h"

enum {
    SIM_PAGE_BYTES = 4096,
    SIM_SECTOR_BYTES = 512,
    SIM_PAGE_SECTORS = SIM_PAGE_BYTES / SIM_SECTOR_BYTES,
    SIM_CHUNK_PAGES = 256,
    SIM_DEVICES_MAX = 32,
    SIM_FAULTS_MAX = 32,
    SIM_ALL_SECTORS = 0xff,
};

/* ---- Contents (sim_store.c) ----------------------------------------------------------------- */

/* One unflushed change of a page. */
struct sim_version {
    struct sim_version *next; /* Younger. */
    uint64_t seq;
    uint8_t mask; /* Sectors it holds. */
    bool meta;    /* Made zero by truncate: durable with the file's metadata. */
    bool doomed;  /* A flush over it failed: no later flush makes it durable. */
    uint8_t data[SIM_PAGE_BYTES];
};

struct sim_page {
    struct list_node dirty_node; /* Linked while versions is not NULL. */
    uint64_t index;
    uint8_t *now;                 /* What reads see; NULL: zeros. */
    uint8_t *durable;             /* What a power cut keeps at least; NULL: unwritten, zeros. */
    struct sim_version *versions; /* Oldest first. */
};

struct sim_chunk {
    bool reserved[SIM_CHUNK_PAGES];
    struct sim_page *pages[SIM_CHUNK_PAGES];
};

/* A change of size or extents that is not durable yet. */
struct sim_size_event {
    uint64_t seq;
    uint64_t size;
};

struct sim_entry {
    char *name;
    struct sim_inode *inode;
};

struct sim_names {
    struct sim_entry *entries;
    uint32_t count;
    uint32_t capacity;
};

struct sim_inode {
    struct list_node node; /* Of machine.inodes. */
    uint64_t id;
    uint32_t device;
    bool directory;
    bool marked;
    uint32_t links; /* Names it has now: 0 or 1. */
    uint32_t opens;
    struct sim_inode *parent; /* Of its name, while it has one. */
    struct sim_description *lock_owner;
    /* Of files. */
    uint64_t size;
    uint64_t durable_size;
    struct sim_size_event *events;
    uint32_t event_count;
    uint32_t event_capacity;
    struct sim_chunk **chunks;
    uint64_t chunk_count;
    uint64_t reserved_pages;
    struct list dirty;
    /* Of directories. */
    struct sim_names now;
    struct sim_names durable;
};

void store_free(struct sim_inode *inode);
void store_read(const struct sim_inode *inode, uint8_t *to, uint64_t size, uint64_t offset);
/* 0, or the errno of the device's capacity. Moves the end behind the range. */
int store_reserve(struct sim_machine *machine, struct sim_inode *inode, uint64_t offset,
                  uint64_t size);
/* Puts the masked sectors of a page there, as the youngest version. 0 or the capacity's errno. */
int store_land_page(struct sim_machine *machine, struct sim_inode *inode, uint64_t index,
                    uint8_t mask, const uint8_t *page);
/* A write of any alignment through the page cache. */
int store_write(struct sim_machine *machine, struct sim_inode *inode, const uint8_t *from,
                uint64_t size, uint64_t offset);
void store_set_size(struct sim_machine *machine, struct sim_inode *inode, uint64_t size);
void store_truncate(struct sim_machine *machine, struct sim_inode *inode, uint64_t size);
/* Everything up to seq becomes durable. overwrites_only: just data over durable extents. */
void store_commit(struct sim_inode *inode, uint64_t seq, bool overwrites_only);
/* One durable write: its own pages, and the metadata they need. */
void store_commit_range(struct sim_inode *inode, uint64_t seq, uint64_t offset, uint64_t size);
/* Everything up to seq should have become durable, and did not. */
void store_doom(struct sim_machine *machine, struct sim_inode *inode, uint64_t seq);
/* A flush of the file failed; where one covers the device, it was that of all files on it. */
void store_flush_failed(struct sim_machine *machine, struct sim_inode *inode, uint64_t seq);
/* Changes stored bytes under all versions. */
void store_poke(struct sim_inode *inode, const uint8_t *from, uint64_t size, uint64_t offset);

enum sim_cut_style { CUT_KEEP, CUT_LOSE, CUT_BLOCKS, CUT_SECTORS, CUT_STYLES };
void store_power_cut(struct sim_machine *machine, struct sim_inode *inode,
                     enum sim_cut_style style);
/* True when the durable bytes of one sector are all zero and none of them may be the end, in zeros,
 * of what fills the sector before. */
bool store_sector_fresh(const struct sim_inode *inode, uint64_t index, uint32_t sector);
void store_free_space(struct sim_machine *machine, struct sim_inode *inode);
void store_invariants(const struct sim_inode *inode);

/* ---- Names (sim_names.c) -------------------------------------------------------------------- */

enum sim_name_kind { NAME_LINK, NAME_UNLINK, NAME_RENAME };

/* A change of names that is not durable yet. */
struct sim_name_change {
    struct list_node node; /* Of machine.name_changes, oldest first. */
    enum sim_name_kind kind;
    struct sim_inode *inode; /* LINK, RENAME. */
    struct sim_inode *from;  /* UNLINK, RENAME: the directory. */
    struct sim_inode *to;    /* LINK, RENAME. */
    char *from_name;
    char *to_name;
    bool marked;
};

struct sim_inode *inode_new(struct sim_machine *machine, bool directory, uint32_t device);
struct sim_entry *names_find(struct sim_names *names, const char *name, size_t len);
/* 0 or an errno. *dir: the directory, *name, *len: the last component, a view into path. */
int names_parent(struct sim_machine *machine, const char *path, struct sim_inode **dir,
                 const char **name, size_t *len);
int names_lookup(struct sim_machine *machine, const char *path, struct sim_inode **inode);
void names_link(struct sim_machine *machine, struct sim_inode *dir, const char *name, size_t len,
                struct sim_inode *inode);
void names_unlink(struct sim_machine *machine, struct sim_inode *dir, const char *name, size_t len);
void names_rename(struct sim_machine *machine, struct sim_inode *from, const char *from_name,
                  size_t from_len, struct sim_inode *to, const char *to_name, size_t to_len);
/* The directory's own sync. */
void names_commit(struct sim_machine *machine, struct sim_inode *dir);
void names_power_cut(struct sim_machine *machine, enum sim_cut_style style);
/* The inode's path as far as `capacity` holds its end. */
void names_path(const struct sim_inode *inode, char *to, size_t capacity);
/* Frees inodes nobody can reach any more. */
void names_collect(struct sim_machine *machine);
void names_free(struct sim_names *names);
void name_change_free(struct sim_name_change *change);
/* Gives up one reference by name or open; the last one frees the space. */
void inode_released(struct sim_machine *machine, struct sim_inode *inode);

/* ---- The machine (sim_machine.c) ------------------------------------------------------------ */

/* An open file description: what the lock belongs to (H3). */
struct sim_description {
    struct sim_inode *inode;
    unsigned mode;
    uint32_t references; /* Descriptors and registered slots. */
};

struct file_system {
    struct sim_process *process;
};

struct sim_process {
    struct list_node node; /* Of machine.processes. */
    struct sim_machine *machine;
    struct file_system files;
    uint32_t id;
    bool alive;
    uint64_t spent_ns;
    struct sim_description **descriptions; /* By fd. */
    uint32_t description_count;
    struct list ports; /* struct housekeeping_port */
};

enum sim_io_state { IO_QUEUED, IO_ENTERED, IO_LANDED, IO_DONE };

/* An operation of a disk, from submit to done. */
struct sim_io {
    struct list_node node; /* Of the disk: in submit order while under way, then of done. */
    struct disk_op *op;    /* NULL after its process died. */
    struct sim_inode *inode;
    enum disk_op_kind kind;
    enum sim_io_state state;
    uint64_t offset;
    uint32_t len;
    uint8_t *data;       /* Of a write: the buffer as it was at submit. */
    uint64_t land_ns[2]; /* A write lands in two parts. */
    uint32_t landed;     /* Parts. */
    uint64_t split;      /* Which sectors belong to which part. */
    uint64_t done_ns;
    uint64_t cover_seq; /* Of a flush. */
    int error;
};

struct disk {
    struct list_node node;       /* Of machine.disks. */
    struct sim_process *process; /* NULL after sim_process_end. */
    struct sim_machine *machine;
    uint32_t process_id;
    uint8_t *memory;
    uint64_t memory_bytes;
    struct sim_description **slots;
    uint32_t slot_count;
    uint32_t operation_count_max;
    uint32_t operation_count; /* Lent: under way and done but not fetched. */
    struct list under_way;
    struct list done;
    bool dead;
};

struct housekeeping_port {
    struct list_node node; /* Of process.ports. */
    struct sim_process *process;
    uint32_t job_count_max;
    uint32_t job_count;
    struct list posted;
    struct list done;  /* Run; the head's results may be fetched from done_ns on. */
    uint64_t run_ns;   /* Of the first posted job. */
    uint64_t *done_ns; /* Ring of job_count_max moments, parallel to done. */
    uint32_t done_first;
    uint32_t done_count;
};

struct sim_device {
    uint64_t capacity_bytes;
    uint64_t used_bytes;
    int full_error;
    bool read_only;
    bool dead;
};

struct sim_machine {
    struct sim_options options;
    uint64_t random;
    uint64_t now_ns;
    uint64_t seq; /* Of changes: orders versions, size events and flushes. */
    uint64_t inode_ids;
    uint32_t process_ids;
    uint32_t unlinked; /* Since the last collection. */
    struct list processes;
    struct list disks;
    struct list inodes;
    struct list name_changes;
    struct sim_inode *root;
    struct sim_device devices[SIM_DEVICES_MAX];
    uint32_t device_count;
    struct sim_fault faults[SIM_FAULTS_MAX];
    uint32_t fault_count;
    uint64_t boundary_count;
    struct sim_boundary *boundaries;
    uint64_t boundary_capacity;
    uint64_t crash_at;
    enum sim_crash crash;
    struct sim_counters counters;
};

/* calloc that cannot fail. */
void *sim_allocate(size_t size);
uint64_t draw_below(struct sim_machine *machine, uint64_t limit);
bool draw_one_in(struct sim_machine *machine, uint64_t n);
uint64_t draw_latency(struct sim_machine *machine, struct sim_range range);

/* Passes a boundary. False: the process died of it, or was dead. inode may be NULL. */
bool boundary_pass(struct sim_machine *machine, struct sim_process *process,
                   enum sim_operation operation, const struct sim_inode *inode, uint64_t offset,
                   uint64_t len);
/* The error this operation shall have: 0 or an errno. path as in faults. */
int fault_check(struct sim_machine *machine, enum sim_operation operation, uint32_t device,
                const char *path);
int fault_check_inode(struct sim_machine *machine, enum sim_operation operation,
                      const struct sim_inode *inode);

void description_release(struct sim_machine *machine, struct sim_description *description);
struct sim_description *process_description(struct sim_process *process, int fd);

/* Of sim_disk.c. */
uint64_t disk_next_ns(const struct disk *disk);
void disk_enter(struct disk *disk);
void disk_step(struct disk *disk, uint64_t now_ns);
void disk_killed(struct disk *disk);
void disk_power_cut(struct disk *disk);
void disk_free(struct disk *disk);

/* Of sim_housekeeping.c. */
uint64_t port_next_ns(const struct housekeeping_port *port);
void port_step(struct housekeeping_port *port, uint64_t now_ns);
void port_free(struct housekeeping_port *port);

#endif
