#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "storage/base/list.h"

enum { NODES = 5 };

static struct list_node nodes[NODES + 1];

static void check(const struct list *list, const uint32_t *order, uint32_t count)
{
    const struct list_node *node = &list->head;
    for (uint32_t i = 0; i < count; i++) {
        assert_ptr_equal(node->next, &nodes[order[i]]);
        assert_ptr_equal(node->next->prev, node);
        node = node->next;
    }
    assert_ptr_equal(node->next, &list->head);
    assert_ptr_equal(list->head.prev, node);
}

static void a_front_moves_behind_what_is_there(void **state)
{
    (void)state;
    static const uint32_t order[] = {0, 1, 2, 3, 4, 5};
    for (uint32_t count = 1; count <= NODES; count++) {
        for (uint32_t there = 0; there < 2; there++) { /* The first is in the other list, or not. */
            struct list from;
            struct list to;
            list_init(&from);
            list_init(&to);
            for (uint32_t i = 0; i <= NODES; i++) {
                nodes[i] = (struct list_node){0};
                list_push_back(i == 0 ? &to : &from, &nodes[i]);
            }
            if (there == 0) {
                list_remove(&nodes[0]);
            }
            list_append_front(&to, &from, &nodes[count]);
            check(&to, there == 0 ? order + 1 : order, count + there);
            check(&from, order + 1 + count, NODES - count);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_front_moves_behind_what_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
