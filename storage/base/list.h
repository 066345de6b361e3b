/* Doubly linked intrusive list. A node belongs to at most one list; an unlinked node is zero. */
#ifndef STORAGE_BASE_LIST_H
#define STORAGE_BASE_LIST_H

#include "storage/base/check.h"

struct list_node {
    struct list_node *next;
    struct list_node *prev;
};

/* The head is a node of its own ring. */
struct list {
    struct list_node head;
};

static inline void list_init(struct list *list)
{
    list->head.next = &list->head;
    list->head.prev = &list->head;
}

static inline bool list_empty(const struct list *list)
{
    return list->head.next == &list->head;
}

static inline bool list_linked(const struct list_node *node)
{
    return node->next != NULL;
}

static inline void list_insert_before(struct list_node *at, struct list_node *node)
{
    ASSERT_HOT(!list_linked(node));
    node->prev = at->prev;
    node->next = at;
    at->prev->next = node;
    at->prev = node;
}

static inline void list_push_back(struct list *list, struct list_node *node)
{
    list_insert_before(&list->head, node);
}

static inline void list_push_front(struct list *list, struct list_node *node)
{
    list_insert_before(list->head.next, node);
}

static inline void list_remove(struct list_node *node)
{
    ASSERT_HOT(list_linked(node));
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->next = NULL;
    node->prev = NULL;
}

/* The first node, or NULL; it stays linked. */
static inline struct list_node *list_first(const struct list *list)
{
    /* A list never holds what was freed. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
    return list_empty(list) ? NULL : list->head.next;
}

/* Unlinks and returns the first node, or NULL. */
static inline struct list_node *list_pop_front(struct list *list)
{
    struct list_node *node = list_first(list);
    if (node != NULL) {
        list_remove(node);
    }
    return node;
}

/* The same, but the node is left as it is: it is cleared before it is linked again. */
static inline struct list_node *list_take_front(struct list *list)
{
    struct list_node *node = list_first(list);
    if (node != NULL) {
        list->head.next = node->next;
        node->next->prev = &list->head;
    }
    return node;
}

/* Moves all nodes of `from` to the end of `to`. */
static inline void list_append_all(struct list *to, struct list *from)
{
    if (list_empty(from)) {
        return;
    }
    from->head.next->prev = to->head.prev;
    to->head.prev->next = from->head.next;
    from->head.prev->next = &to->head;
    to->head.prev = from->head.prev;
    list_init(from);
}

/* Moves the nodes up to `last`, which is one of them, from the front of `from` to the end of `to`.
 */
static inline void list_append_front(struct list *to, struct list *from, struct list_node *last)
{
    struct list_node *first = from->head.next;
    from->head.next = last->next;
    last->next->prev = &from->head;
    first->prev = to->head.prev;
    to->head.prev->next = first;
    last->next = &to->head;
    to->head.prev = last;
}

/* node is the loop variable; the current node may be removed in the body. */
#define LIST_FOR_EACH(node, list)                                               \
    for (struct list_node *node = (list)->head.next, *node##_next = node->next; \
         node != &(list)->head; node = node##_next, node##_next = node->next)

#endif
