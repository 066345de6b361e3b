#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "control/arena.h"
#include "control/metadata/image.h"

static const char *value_of(const struct image *image, enum resource_type type, const char *name,
                            const char *key)
{
    return image_resource_value(image_resource(image, type, bytes_of_string(name)),
                                bytes_of_string(key));
}

static void values_are_set_replaced_and_removed(void **state)
{
    (void)state;
    struct image image;
    image_init(&image, 1);
    image_config_set(&image, RESOURCE_TOPIC, bytes_of_string("a"), bytes_of_string("k"),
                     bytes_of_string("1"));
    image_config_set(&image, RESOURCE_TOPIC, bytes_of_string("a"), bytes_of_string("k"),
                     bytes_of_string("2"));
    image_config_set(&image, RESOURCE_BROKER, bytes_of_string("a"), bytes_of_string("k"),
                     bytes_of_string("3"));
    image_config_set(&image, RESOURCE_BROKER, bytes_of_string(""), bytes_of_string("k"),
                     bytes_of_string(""));
    assert_string_equal(value_of(&image, RESOURCE_TOPIC, "a", "k"), "2");
    assert_string_equal(value_of(&image, RESOURCE_BROKER, "a", "k"), "3");
    assert_string_equal(value_of(&image, RESOURCE_BROKER, "", "k"), "");
    assert_null(value_of(&image, RESOURCE_TOPIC, "b", "k"));
    assert_null(value_of(&image, RESOURCE_TOPIC, "a", "kk"));
    image_config_set(&image, RESOURCE_TOPIC, bytes_of_string("a"), bytes_of_string("k"),
                     (struct bytes){0});
    assert_null(image_resource(&image, RESOURCE_TOPIC, bytes_of_string("a")));
    image_config_set(&image, RESOURCE_TOPIC, bytes_of_string("a"), bytes_of_string("k"),
                     (struct bytes){0});
    assert_int_equal(image.resource_count, 2);
    image_free(&image);
    assert_int_equal(image.resource_count, 0);
}

static void resources_and_keys_stay_sorted(void **state)
{
    (void)state;
    struct image image;
    image_init(&image, 1);
    for (uint32_t i = 0; i < 200; i++) {
        char name[16];
        char key[16];
        (void)snprintf(name, sizeof(name), "r%u", (i * 37) % 50);
        (void)snprintf(key, sizeof(key), "k%u", (i * 11) % 17);
        image_config_set(&image, i % 2 == 0 ? RESOURCE_TOPIC : RESOURCE_GROUP,
                         bytes_of_string(name), bytes_of_string(key), bytes_of_string(name));
    }
    for (uint32_t i = 0; i < image.resource_count; i++) {
        const struct image_resource *at = &image.resources[i];
        if (i > 0) {
            const struct image_resource *before = &image.resources[i - 1];
            assert_true(before->type < at->type ||
                        (before->type == at->type && bytes_order(before->name, at->name) < 0));
        }
        for (uint32_t j = 1; j < at->count; j++) {
            assert_true(bytes_order(at->entries[j - 1].key, at->entries[j].key) < 0);
        }
    }
    image_resource_remove(&image, RESOURCE_TOPIC, bytes_of_string("r4"));
    assert_null(image_resource(&image, RESOURCE_TOPIC, bytes_of_string("r4")));
    image_free(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_set_replaced_and_removed),
        cmocka_unit_test(resources_and_keys_stay_sorted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
