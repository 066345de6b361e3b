#include <string.h>

#include "tests/sim/sim_internal.h"

struct sim_inode *inode_new(struct sim_machine *machine, bool directory, uint32_t device)
{
    struct sim_inode *inode = sim_allocate(sizeof(*inode));
    inode->id = machine->inode_ids++;
    inode->directory = directory;
    inode->device = device;
    list_init(&inode->dirty);
    list_push_back(&machine->inodes, &inode->node);
    return inode;
}

static char *name_copy(const char *name, size_t len)
{
    char *copy = sim_allocate(len + 1);
    memcpy(copy, name, len);
    return copy;
}

struct sim_entry *names_find(struct sim_names *names, const char *name, size_t len)
{
    for (uint32_t i = 0; i < names->count; i++) {
        if (strncmp(names->entries[i].name, name, len) == 0 &&
            names->entries[i].name[len] == '\0') {
            return &names->entries[i];
        }
    }
    return NULL;
}

static void names_set(struct sim_names *names, const char *name, size_t len,
                      struct sim_inode *inode)
{
    struct sim_entry *entry = names_find(names, name, len);
    if (entry != NULL) {
        entry->inode = inode;
        return;
    }
    if (names->count == names->capacity) {
        names->capacity = names->capacity == 0 ? 4 : names->capacity * 2;
        names->entries = realloc(names->entries, names->capacity * sizeof(*names->entries));
        ASSERT(names->entries != NULL);
    }
    names->entries[names->count++] = (struct sim_entry){name_copy(name, len), inode};
}

static void names_remove(struct sim_names *names, const char *name, size_t len)
{
    struct sim_entry *entry = names_find(names, name, len);
    if (entry != NULL) {
        free(entry->name);
        *entry = names->entries[--names->count];
    }
}

void names_free(struct sim_names *names)
{
    for (uint32_t i = 0; i < names->count; i++) {
        free(names->entries[i].name);
    }
    free(names->entries);
    *names = (struct sim_names){0};
}

void name_change_free(struct sim_name_change *change)
{
    list_remove(&change->node);
    free(change->from_name);
    free(change->to_name);
    free(change);
}

/* ---- Paths ---------------------------------------------------------------------------------- */

/* The next component of *path; false at the end. */
static bool component_next(const char **path, const char **name, size_t *len)
{
    do {
        *path += strspn(*path, "/");
        *name = *path;
        *len = strcspn(*path, "/");
        *path += *len;
    } while (*len == 1 && **name == '.');
    return *len > 0;
}

int names_parent(struct sim_machine *machine, const char *path, struct sim_inode **dir,
                 const char **name, size_t *len)
{
    *dir = machine->root;
    if (!component_next(&path, name, len)) {
        return EINVAL;
    }
    const char *next;
    size_t next_len;
    while (component_next(&path, &next, &next_len)) {
        struct sim_entry *entry = names_find(&(*dir)->now, *name, *len);
        if (entry == NULL) {
            return ENOENT;
        }
        if (!entry->inode->directory) {
            return ENOTDIR;
        }
        *dir = entry->inode;
        *name = next;
        *len = next_len;
    }
    return 0;
}

int names_lookup(struct sim_machine *machine, const char *path, struct sim_inode **inode)
{
    struct sim_inode *dir;
    const char *name;
    size_t len;
    const int error = names_parent(machine, path, &dir, &name, &len);
    if (error == EINVAL) { /* "/", "." */
        *inode = machine->root;
        return 0;
    }
    struct sim_entry *entry = error == 0 ? names_find(&dir->now, name, len) : NULL;
    if (entry == NULL) {
        return error == 0 ? ENOENT : error;
    }
    *inode = entry->inode;
    return 0;
}

void names_path(const struct sim_inode *inode, char *to, size_t capacity)
{
    size_t at = capacity;
    to[--at] = '\0';
    while (inode != NULL && inode->parent != NULL && at > 1) {
        const struct sim_names *names = &inode->parent->now;
        const char *name = "(unlinked)";
        for (uint32_t i = 0; i < names->count; i++) {
            if (names->entries[i].inode == inode) {
                name = names->entries[i].name;
            }
        }
        const size_t len = strlen(name);
        const size_t here = len < at - 1 ? len : at - 1;
        at -= here;
        memcpy(to + at, name + len - here, here);
        to[--at] = '/';
        inode = inode->parent;
    }
    memmove(to, to + at, capacity - at);
}

/* ---- Changes -------------------------------------------------------------------------------- */

static void change_add(struct sim_machine *machine, const struct sim_name_change *change)
{
    struct sim_name_change *copy = sim_allocate(sizeof(*copy));
    *copy = *change;
    list_push_back(&machine->name_changes, &copy->node);
}

void inode_released(struct sim_machine *machine, struct sim_inode *inode)
{
    if (inode->links == 0 && inode->opens == 0) {
        store_free_space(machine, inode);
    }
}

void names_link(struct sim_machine *machine, struct sim_inode *dir, const char *name, size_t len,
                struct sim_inode *inode)
{
    names_set(&dir->now, name, len, inode);
    inode->links = 1;
    inode->parent = dir;
    change_add(machine,
               &(struct sim_name_change){
                   .kind = NAME_LINK, .inode = inode, .to = dir, .to_name = name_copy(name, len)});
}

static void inode_unnamed(struct sim_machine *machine, struct sim_inode *inode)
{
    inode->links = 0;
    inode->parent = NULL;
    inode_released(machine, inode);
}

void names_unlink(struct sim_machine *machine, struct sim_inode *dir, const char *name, size_t len)
{
    struct sim_inode *inode = names_find(&dir->now, name, len)->inode;
    change_add(machine, &(struct sim_name_change){
                            .kind = NAME_UNLINK, .from = dir, .from_name = name_copy(name, len)});
    names_remove(&dir->now, name, len);
    inode_unnamed(machine, inode);
    if (++machine->unlinked >= 256) {
        names_collect(machine);
    }
}

void names_rename(struct sim_machine *machine, struct sim_inode *from, const char *from_name,
                  size_t from_len, struct sim_inode *to, const char *to_name, size_t to_len)
{
    struct sim_inode *inode = names_find(&from->now, from_name, from_len)->inode;
    struct sim_entry *old = names_find(&to->now, to_name, to_len);
    struct sim_inode *replaced = old == NULL ? NULL : old->inode;
    if (replaced == inode) {
        return;
    }
    change_add(machine, &(struct sim_name_change){.kind = NAME_RENAME,
                                                  .inode = inode,
                                                  .from = from,
                                                  .from_name = name_copy(from_name, from_len),
                                                  .to = to,
                                                  .to_name = name_copy(to_name, to_len)});
    names_remove(&from->now, from_name, from_len);
    names_set(&to->now, to_name, to_len, inode);
    inode->parent = to;
    if (replaced != NULL) {
        inode_unnamed(machine, replaced);
    }
}

static void change_apply(struct sim_name_change *change)
{
    if (change->from != NULL) {
        names_remove(&change->from->durable, change->from_name, strlen(change->from_name));
    }
    if (change->to != NULL) {
        names_set(&change->to->durable, change->to_name, strlen(change->to_name), change->inode);
    }
}

static bool dir_marked(const struct sim_inode *dir)
{
    return dir != NULL && dir->marked;
}

static void dir_mark(struct sim_inode *dir)
{
    if (dir != NULL) {
        dir->marked = true;
    }
}

static void inodes_unmark(struct sim_machine *machine)
{
    LIST_FOR_EACH(node, &machine->inodes)
    {
        CONTAINER_OF(node, struct sim_inode, node)->marked = false;
    }
}

/* Youngest to oldest: a change needed drags in the other directory it touches. */
void names_commit(struct sim_machine *machine, struct sim_inode *dir)
{
    inodes_unmark(machine);
    dir->marked = true;
    for (struct list_node *node = machine->name_changes.head.prev;
         node != &machine->name_changes.head; node = node->prev) {
        struct sim_name_change *change = CONTAINER_OF(node, struct sim_name_change, node);
        change->marked = dir_marked(change->from) || dir_marked(change->to);
        if (change->marked) {
            dir_mark(change->from);
            dir_mark(change->to);
        }
    }
    LIST_FOR_EACH(node, &machine->name_changes)
    {
        struct sim_name_change *change = CONTAINER_OF(node, struct sim_name_change, node);
        if (change->marked) {
            change_apply(change);
            name_change_free(change);
        }
    }
}

/* Oldest to youngest: a lost change takes all later ones of its directories with it. */
static void changes_decide(struct sim_machine *machine, enum sim_cut_style style)
{
    inodes_unmark(machine);
    bool journal_ended = style == CUT_LOSE;
    LIST_FOR_EACH(node, &machine->name_changes)
    {
        struct sim_name_change *change = CONTAINER_OF(node, struct sim_name_change, node);
        bool lost = journal_ended || dir_marked(change->from) || dir_marked(change->to);
        if (style == CUT_BLOCKS && draw_one_in(machine, 4)) {
            journal_ended = true; /* A prefix of everything, as one journal keeps it. */
            lost = true;
        }
        if (style == CUT_SECTORS && draw_one_in(machine, 3)) {
            lost = true;
        }
        if (lost) {
            dir_mark(change->from);
            dir_mark(change->to);
        } else {
            change_apply(change);
        }
        name_change_free(change);
    }
}

static void names_reset(struct sim_inode *dir)
{
    names_free(&dir->now);
    for (uint32_t i = 0; i < dir->durable.count; i++) {
        struct sim_entry *entry = &dir->durable.entries[i];
        names_set(&dir->now, entry->name, strlen(entry->name), entry->inode);
    }
}

void names_power_cut(struct sim_machine *machine, enum sim_cut_style style)
{
    changes_decide(machine, style);
    LIST_FOR_EACH(node, &machine->inodes)
    {
        struct sim_inode *inode = CONTAINER_OF(node, struct sim_inode, node);
        inode->links = 0;
        inode->parent = NULL;
        if (inode->directory) {
            names_reset(inode);
        }
    }
    LIST_FOR_EACH(node, &machine->inodes)
    {
        struct sim_inode *dir = CONTAINER_OF(node, struct sim_inode, node);
        for (uint32_t i = 0; i < dir->now.count; i++) {
            dir->now.entries[i].inode->links = 1;
            dir->now.entries[i].inode->parent = dir;
        }
    }
    names_collect(machine);
}

/* ---- Collection ----------------------------------------------------------------------------- */

static void mark_names(struct sim_names *names, bool *more)
{
    for (uint32_t i = 0; i < names->count; i++) {
        *more = *more || !names->entries[i].inode->marked;
        names->entries[i].inode->marked = true;
    }
}

static void mark_roots(struct sim_machine *machine)
{
    machine->root->marked = true;
    LIST_FOR_EACH(node, &machine->name_changes)
    {
        struct sim_name_change *change = CONTAINER_OF(node, struct sim_name_change, node);
        dir_mark(change->inode);
        dir_mark(change->from);
        dir_mark(change->to);
    }
    LIST_FOR_EACH(node, &machine->inodes)
    {
        struct sim_inode *inode = CONTAINER_OF(node, struct sim_inode, node);
        inode->marked = inode->marked || inode->opens > 0;
    }
}

static void inode_free(struct sim_machine *machine, struct sim_inode *inode)
{
    list_remove(&inode->node);
    store_free_space(machine, inode);
    store_free(inode);
    names_free(&inode->now);
    names_free(&inode->durable);
    free(inode);
}

void names_collect(struct sim_machine *machine)
{
    machine->unlinked = 0;
    inodes_unmark(machine);
    mark_roots(machine);
    bool more = true;
    while (more) {
        more = false;
        LIST_FOR_EACH(node, &machine->inodes)
        {
            struct sim_inode *inode = CONTAINER_OF(node, struct sim_inode, node);
            if (inode->marked && inode->directory) {
                mark_names(&inode->now, &more);
                mark_names(&inode->durable, &more);
            }
        }
    }
    LIST_FOR_EACH(node, &machine->inodes)
    {
        struct sim_inode *inode = CONTAINER_OF(node, struct sim_inode, node);
        if (!inode->marked) {
            inode_free(machine, inode);
        }
    }
}
