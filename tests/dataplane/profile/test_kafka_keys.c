#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/profile/kafka_keys.h"

static const struct kafka_key *key(enum kafka_scope scope, const char *name)
{
    const struct kafka_key *found = kafka_key_find(scope, bytes_of_string(name));
    assert_non_null(found);
    assert_string_equal(found->name, name);
    return found;
}

/* What Kafka 4.2.1 itself answers; an empty answer means the value is taken. */
static const struct {
    enum kafka_scope scope;
    const char *name;
    const char *value;
    const char *answer;
} values[] = {
    {KAFKA_TOPIC, "retention.ms", "-1", ""},
    {KAFKA_TOPIC, "retention.ms", " 60000 ", ""},
    {KAFKA_TOPIC, "retention.ms", "+5", ""},
    {KAFKA_TOPIC, "retention.ms", "9223372036854775807", ""},
    {KAFKA_TOPIC, "retention.ms", "9223372036854775808",
     "Invalid value 9223372036854775808 for configuration retention.ms: Not a number of type LONG"},
    {KAFKA_TOPIC, "retention.ms", "-2",
     "Invalid value -2 for configuration retention.ms: Value must be at least -1"},
    {KAFKA_TOPIC, "retention.ms", "1h",
     "Invalid value 1h for configuration retention.ms: Not a number of type LONG"},
    {KAFKA_TOPIC, "retention.ms", "",
     "Invalid value  for configuration retention.ms: Not a number of type LONG"},
    {KAFKA_TOPIC, "retention.ms", "-",
     "Invalid value - for configuration retention.ms: Not a number of type LONG"},
    {KAFKA_TOPIC, "retention.bytes", "-9223372036854775808", ""},
    {KAFKA_TOPIC, "segment.bytes", "1048576", ""},
    {KAFKA_TOPIC, "segment.bytes", "1048575",
     "Invalid value 1048575 for configuration segment.bytes: Value must be at least 1048576"},
    {KAFKA_TOPIC, "segment.bytes", "2147483648",
     "Invalid value 2147483648 for configuration segment.bytes: Not a number of type INT"},
    {KAFKA_TOPIC, "preallocate", "TRUE", ""},
    {KAFKA_TOPIC, "preallocate", "yes",
     "Invalid value yes for configuration preallocate: "
     "Expected value to be either true or false"},
    {KAFKA_TOPIC, "min.cleanable.dirty.ratio", "0.01", ""},
    {KAFKA_TOPIC, "min.cleanable.dirty.ratio", "1.5",
     "Invalid value 1.5 for configuration min.cleanable.dirty.ratio: "
     "Value must be no more than 1"},
    {KAFKA_TOPIC, "min.cleanable.dirty.ratio", "half",
     "Invalid value half for configuration min.cleanable.dirty.ratio: "
     "Not a number of type DOUBLE"},
    {KAFKA_TOPIC, "cleanup.policy", "compact, delete", ""},
    {KAFKA_TOPIC, "cleanup.policy", "", ""},
    {KAFKA_TOPIC, "cleanup.policy", "compact,compact", ""},
    {KAFKA_TOPIC, "cleanup.policy", "compact,",
     "Configuration 'cleanup.policy' values must not be empty."},
    {KAFKA_TOPIC, "cleanup.policy", "keep",
     "Invalid value keep for configuration cleanup.policy: "
     "String must be one of: compact, delete"},
    {KAFKA_TOPIC, "compression.type", "zstd", ""},
    {KAFKA_TOPIC, "compression.type", "ZSTD",
     "Invalid value ZSTD for configuration compression.type: String must be one of: "
     "uncompressed, zstd, lz4, snappy, gzip, producer"},
    {KAFKA_TOPIC, "compression.gzip.level", "-1", ""},
    {KAFKA_TOPIC, "compression.gzip.level", "0",
     "Invalid value 0 for configuration compression.gzip.level: "
     "Value must be between 1 and 9 or equal to -1"},
    {KAFKA_TOPIC, "compression.lz4.level", "18",
     "Invalid value 18 for configuration compression.lz4.level: Value must be no more than 17"},
    {KAFKA_TOPIC, "leader.replication.throttled.replicas", "*", ""},
    {KAFKA_TOPIC, "leader.replication.throttled.replicas", "0:1,1:1", ""},
    {KAFKA_TOPIC, "leader.replication.throttled.replicas", "0:1,1",
     "Invalid value [0:1, 1] for configuration leader.replication.throttled.replicas: "
     "leader.replication.throttled.replicas must be the literal '*' or a list of replicas in the "
     "following format: [partitionId]:[brokerId],[partitionId]:[brokerId],..."},
    {KAFKA_BROKER, "group.consumer.migration.policy", "Upgrade", ""},
    {KAFKA_BROKER, "offsets.topic.replication.factor", "32768",
     "Invalid value 32768 for configuration offsets.topic.replication.factor: "
     "Not a number of type SHORT"},
    {KAFKA_BROKER, "ssl.key.password", "secret", ""},
    {KAFKA_BROKER, "max.connections.per.ip.overrides", "", ""},
    {KAFKA_BROKER, "max.connections.per.ip.overrides", "10.0.0.1:5, 127.0.0.1:0,::1:7", ""},
    {KAFKA_BROKER, "max.connections.per.ip.overrides", "10.0.0.1:5,lab1:5",
     "Invalid value 10.0.0.1:5,lab1:5 for configuration max.connections.per.ip.overrides: "
     "max.connections.per.ip.overrides takes address:number elements, and lab1:5 is none; names "
     "are not looked up (getent ahosts NAME does)"},
    {KAFKA_BROKER, "max.connections.per.ip.overrides", "10.0.0.1:",
     "Invalid value 10.0.0.1: for configuration max.connections.per.ip.overrides: "
     "max.connections.per.ip.overrides takes address:number elements, and 10.0.0.1: is none; names "
     "are not looked up (getent ahosts NAME does)"},
    {KAFKA_BROKER, "max.connections.per.ip.overrides", "10.0.0.1",
     "Invalid value 10.0.0.1 for configuration max.connections.per.ip.overrides: "
     "max.connections.per.ip.overrides takes address:number elements, and 10.0.0.1 is none; names "
     "are not looked up (getent ahosts NAME does)"},
    {KAFKA_BROKER, "fetch.max.bytes", " +7 ",
     "Invalid value 7 for configuration fetch.max.bytes: Value must be at least 1024"},
    {KAFKA_BROKER, "group.share.assignors", "",
     "Configuration 'group.share.assignors' must not be empty. "
     "Valid values include: any non-empty value"},
    {KAFKA_GROUP, "share.auto.offset.reset", "by_duration:PT1H", ""},
};

static void values_are_judged_as_kafka_judges_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        struct kafka_key_error error = {0};
        const bool good = kafka_key_check(key(values[i].scope, values[i].name),
                                          bytes_of_string(values[i].value), NULL, &error);
        assert_string_equal(error.text, values[i].answer);
        assert_int_equal(good, values[i].answer[0] == '\0');
    }
}

static void parsed_values_come_back(void **state)
{
    (void)state;
    struct kafka_value value;
    struct kafka_key_error error;
    assert_true(
        kafka_key_check(key(KAFKA_TOPIC, "flush.messages"), bytes_of_string("17"), &value, &error));
    assert_int_equal(value.number, 17);
    assert_true(
        kafka_key_check(key(KAFKA_TOPIC, "preallocate"), bytes_of_string("True"), &value, &error));
    assert_int_equal(value.number, 1);
    assert_true(kafka_key_check(key(KAFKA_TOPIC, "min.cleanable.dirty.ratio"),
                                bytes_of_string("0.25"), &value, &error));
    assert_true(value.real > 0.24 && value.real < 0.26);
    assert_true(kafka_key_check(key(KAFKA_TOPIC, "retention.bytes"),
                                bytes_of_string("-9223372036854775808"), &value, &error));
    assert_int_equal(value.number, INT64_MIN);
}

static void values_are_shown_as_they_were_read(void **state)
{
    (void)state;
    static const struct {
        enum kafka_scope scope;
        const char *name;
        const char *value;
        const char *shown;
    } cases[] = {
        {KAFKA_TOPIC, "retention.ms", " +7 ", "7"},
        {KAFKA_TOPIC, "retention.ms", "never", "never"}, /* Not valid: as it is. */
        {KAFKA_TOPIC, "preallocate", " TRUE", "true"},
        {KAFKA_TOPIC, "preallocate", "False", "false"},
        {KAFKA_TOPIC, "min.cleanable.dirty.ratio", "5e-1", "0.5"},
        {KAFKA_TOPIC, "min.cleanable.dirty.ratio", "1", "1.0"},
        {KAFKA_TOPIC, "min.cleanable.dirty.ratio", "0", "0.0"},
        {KAFKA_TOPIC, "min.cleanable.dirty.ratio", "0.00025", "2.5E-4"},
        {KAFKA_TOPIC, "min.cleanable.dirty.ratio", ".0000001", "1.0E-7"},
        {KAFKA_TOPIC, "min.cleanable.dirty.ratio", "0.30000000000000004", "0.30000000000000004"},
        {KAFKA_TOPIC, "cleanup.policy", "compact , delete,compact", "compact,delete"},
        {KAFKA_TOPIC, "cleanup.policy", " ", ""},
        {KAFKA_TOPIC, "leader.replication.throttled.replicas", "0:1, 0:1", "0:1,0:1"},
        {KAFKA_TOPIC, "leader.replication.throttled.replicas", ",0:1,", ",0:1,"},
        {KAFKA_TOPIC, "compression.type", " producer ", "producer"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char room[100];
        assert_string_equal(kafka_key_shown(key(cases[i].scope, cases[i].name),
                                            bytes_of_string(cases[i].value), room),
                            cases[i].shown);
    }
}

static void null_is_taken_only_where_the_default_is_null(void **state)
{
    (void)state;
    struct kafka_key_error error;
    assert_true(
        kafka_key_check(key(KAFKA_BROKER, "broker.rack"), bytes_of_string(NULL), NULL, &error));
    assert_false(
        kafka_key_check(key(KAFKA_TOPIC, "retention.ms"), bytes_of_string(NULL), NULL, &error));
    assert_string_equal(error.text, "Invalid value null for configuration retention.ms: "
                                    "Value must be non-null");
}

static void every_table_is_sorted_and_its_defaults_pass_its_own_checks(void **state)
{
    (void)state;
    for (enum kafka_scope scope = KAFKA_TOPIC; scope <= KAFKA_GROUP; scope++) {
        uint32_t count = 0;
        const struct kafka_key *keys = kafka_keys(scope, &count);
        for (uint32_t i = 0; i < count; i++) {
            struct kafka_key_error error = {0};
            assert_true(i == 0 || strcmp(keys[i - 1].name, keys[i].name) < 0);
            assert_ptr_equal(kafka_key_find(scope, bytes_of_string(keys[i].name)), &keys[i]);
            assert_true(kafka_key_check(&keys[i], bytes_of_string(keys[i].fallback), NULL, &error));
            assert_true(strlen(keys[i].doc) > 10);
            assert_int_equal(keys[i].choices != NULL,
                             keys[i].check == KAFKA_CHECK_ONE_OF ||
                                 keys[i].check == KAFKA_CHECK_LIST_OF ||
                                 keys[i].check == KAFKA_CHECK_ONE_OF_ANY_CASE);
        }
    }
}

static void names_that_are_no_keys_are_not_found(void **state)
{
    (void)state;
    const char *strangers[] = {"",    "retention", "retention.ms.", "message.format.version",
                               "zzz", "a",         "Retention.ms"};
    for (size_t i = 0; i < ARRAY_SIZE(strangers); i++) {
        assert_null(kafka_key_find(KAFKA_TOPIC, bytes_of_string(strangers[i])));
    }
    struct kafka_key_error error;
    kafka_key_unknown(bytes_of_string("retention"), &error);
    assert_string_equal(error.text, "Unknown topic config name: retention");
}

static void every_synonym_names_keys_that_exist(void **state)
{
    (void)state;
    uint32_t count = 0;
    const struct kafka_key *keys = kafka_keys(KAFKA_TOPIC, &count);
    uint32_t with_synonym = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t synonyms = 0;
        const struct kafka_synonym *row = kafka_synonyms(KAFKA_TOPIC, keys[i].name, &synonyms);
        with_synonym += synonyms > 0;
        for (uint32_t s = 0; s < synonyms; s++) {
            assert_string_equal(row[s].name, keys[i].name);
            (void)key(KAFKA_BROKER, row[s].broker_name);
        }
    }
    assert_int_equal(with_synonym, 28); /* ServerTopicConfigSynonyms has 28 topic keys. */
}

struct setting {
    const char *name;
    const char *value;
};

static const char *look_up(void *context, const char *name)
{
    for (const struct setting *row = context; row->name != NULL; row++) {
        if (strcmp(row->name, name) == 0) {
            return row->value;
        }
    }
    return NULL;
}

static void the_finest_unit_that_is_set_gives_a_topic_its_default(void **state)
{
    (void)state;
    static struct setting settings[][4] = {
        {{NULL, NULL}},
        {{"log.retention.hours", "2"}, {NULL, NULL}},
        {{"log.retention.hours", "2"}, {"log.retention.minutes", "3"}, {NULL, NULL}},
        {{"log.retention.hours", "2"},
         {"log.retention.ms", "5"},
         {"log.retention.minutes", "3"},
         {NULL, NULL}},
        {{"log.retention.hours", "-7"}, {NULL, NULL}},
    };
    static const char *want[] = {"604800000", "7200000", "180000", "5", "-1"};
    static const char *from[] = {NULL, "log.retention.hours", "log.retention.minutes",
                                 "log.retention.ms", "log.retention.hours"};
    for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
        char room[24];
        const struct kafka_synonym *synonym = NULL;
        assert_string_equal(kafka_topic_default(key(KAFKA_TOPIC, "retention.ms"), look_up,
                                                settings[i], room, &synonym),
                            want[i]);
        assert_int_equal(synonym == NULL, from[i] == NULL);
        assert_true(synonym == NULL || strcmp(synonym->broker_name, from[i]) == 0);
    }
}

static void a_list_yields_its_elements_trimmed(void **state)
{
    (void)state;
    static const struct {
        const char *list;
        const char *want;
    } lists[] = {{"", ""}, {"a", "a|"}, {"a, b ,c", "a|b|c|"}, {"a,", "a||"}, {",", "||"}};
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        struct bytes rest = bytes_of_string(lists[i].list);
        struct bytes element = {0};
        char got[64] = "";
        while (kafka_list_next(&rest, &element)) {
            strncat(got, (const char *)element.ptr, element.len);
            strcat(got, "|");
        }
        assert_string_equal(got, lists[i].want);
    }
    assert_true(kafka_list_has(bytes_of_string("compact, delete"), "delete"));
    assert_false(kafka_list_has(bytes_of_string("compact"), "delete"));
    assert_false(kafka_list_has(bytes_of_string(""), "delete"));
}

static void keys_that_disagree_are_refused_together(void **state)
{
    (void)state;
    struct kafka_key_error error;
    assert_true(kafka_topic_check_together(0, 1, false, &error));
    assert_false(kafka_topic_check_together(2, 1, false, &error));
    assert_string_equal(error.text, "conflict topic config setting min.compaction.lag.ms (2) > "
                                    "max.compaction.lag.ms (1)");
    assert_false(kafka_topic_check_together(0, 1, true, &error));
    assert_string_equal(error.text, "Tiered Storage functionality is disabled in the broker. "
                                    "Topic cannot be configured with remote log storage.");
}

static void secrets_do_not_show_in_messages(void **state)
{
    (void)state;
    const struct kafka_key secret = {"x", KAFKA_KEY_PASSWORD, "", ANY, KAFKA_LOW, 0, "d"};
    struct kafka_key_error error;
    assert_true(kafka_key_sensitive(&secret));
    assert_false(kafka_key_check(&secret, bytes_of_string(NULL), NULL, &error));
    assert_null(strstr(error.text, "null "));
    assert_non_null(strstr(error.text, "[hidden]"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_judged_as_kafka_judges_them),
        cmocka_unit_test(parsed_values_come_back),
        cmocka_unit_test(values_are_shown_as_they_were_read),
        cmocka_unit_test(null_is_taken_only_where_the_default_is_null),
        cmocka_unit_test(every_table_is_sorted_and_its_defaults_pass_its_own_checks),
        cmocka_unit_test(names_that_are_no_keys_are_not_found),
        cmocka_unit_test(every_synonym_names_keys_that_exist),
        cmocka_unit_test(the_finest_unit_that_is_set_gives_a_topic_its_default),
        cmocka_unit_test(a_list_yields_its_elements_trimmed),
        cmocka_unit_test(keys_that_disagree_are_refused_together),
        cmocka_unit_test(secrets_do_not_show_in_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
