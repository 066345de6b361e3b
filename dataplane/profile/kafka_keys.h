/* Kafka's configuration keys: topic, broker and group keys with type, default, check and meaning.
 *
 * THE table behind DescribeConfigs, AlterConfigs, CreateTopics and the `kafka:` section of the
 * configuration file. Names, types, defaults, ranges and error texts follow Kafka 4.2.1 (LogConfig,
 * KafkaConfig, GroupConfig, ConfigDef); the defaults of a single node differ where Kafka's would
 * need three brokers. Pure: no I/O, no allocation. Any thread.
 */
#ifndef DATAPLANE_PROFILE_KAFKA_KEYS_H
#define DATAPLANE_PROFILE_KAFKA_KEYS_H

#include "storage/base/bytes.h"

enum kafka_scope { KAFKA_TOPIC, KAFKA_BROKER, KAFKA_GROUP };

/* The numbers of DescribeConfigsResponse's ConfigType. */
enum kafka_key_type {
    KAFKA_KEY_BOOLEAN = 1,
    KAFKA_KEY_STRING = 2,
    KAFKA_KEY_INT = 3,
    KAFKA_KEY_SHORT = 4,
    KAFKA_KEY_LONG = 5,
    KAFKA_KEY_DOUBLE = 6,
    KAFKA_KEY_LIST = 7,
    KAFKA_KEY_CLASS = 8,
    KAFKA_KEY_PASSWORD = 9, /* Sensitive: its value is never shown. */
};

enum kafka_check {
    KAFKA_CHECK_ANY,
    KAFKA_CHECK_RANGE,           /* min and max, both included. */
    KAFKA_CHECK_GZIP_LEVEL,      /* 1 to 9, or -1. */
    KAFKA_CHECK_ONE_OF,          /* choices, case counts. */
    KAFKA_CHECK_ONE_OF_ANY_CASE, /* choices, case does not count. */
    KAFKA_CHECK_LIST_OF,         /* Each element one of choices; min elements. */
    KAFKA_CHECK_LIST,            /* No empty element; min elements. */
    KAFKA_CHECK_REPLICAS,        /* "*" or partition:broker elements. */
    KAFKA_CHECK_ADDRESSES,       /* address:number elements. */
    KAFKA_CHECK_OFFSET_RESET,    /* latest, earliest, by_duration:PnDTnHnMn.nS. */
};

enum kafka_importance { KAFKA_HIGH, KAFKA_MEDIUM, KAFKA_LOW };

enum kafka_key_flag {
    KAFKA_ACTS = 1,       /* Changes what this broker does; the others are checked and reported. */
    KAFKA_DYNAMIC = 2,    /* Broker keys: may change at run time (DynamicBrokerConfig). */
    KAFKA_PER_BROKER = 4, /* Dynamic only with a broker id, not as the cluster's default. */
    KAFKA_ELSEWHERE = 8,  /* Stands in another section of the configuration file. */
    KAFKA_INTERNAL = 16,  /* Broker keys: described only when set, as Kafka's defineInternal. */
};

#define KAFKA_NO_MIN INT64_MIN
#define KAFKA_NO_MAX INT64_MAX

struct kafka_key {
    const char *name;
    enum kafka_key_type type;
    const char *fallback; /* The default as Kafka prints it; NULL is Kafka's null. */
    enum kafka_check check;
    int64_t min;
    int64_t max;
    const char *choices; /* "a, b, c" */
    enum kafka_importance importance;
    uint32_t flags; /* enum kafka_key_flag */
    const char *doc;
};

/* One broker key that gives a topic key, or another broker key, its default. */
struct kafka_synonym {
    const char *name;
    const char *broker_name;
    int64_t factor; /* Its value times this is in the named key's unit. */
};

struct kafka_value {
    int64_t number; /* INT, SHORT, LONG; BOOLEAN as 0 or 1. */
    double real;    /* DOUBLE */
};

struct kafka_key_error {
    char text[512]; /* As Kafka words it, for the error_message of an answer. */
};

/* All keys of a scope, sorted by name. */
const struct kafka_key *kafka_keys(enum kafka_scope scope, uint32_t *count);

/* NULL when there is no such key. The name need not be terminated. */
const struct kafka_key *kafka_key_find(enum kafka_scope scope, struct bytes name);

/* Checks a value as Kafka does; spaces around it do not count.
 *
 * value  borrowed; a NULL ptr is Kafka's null, which only keys with a NULL default take.
 * out    filled when true is returned; may be NULL.
 * error  filled when false is returned.
 */
MUST_USE bool kafka_key_check(const struct kafka_key *key, struct bytes value,
                              struct kafka_value *out, struct kafka_key_error *error);

/* A value as Kafka shows it: what it was read as, written again ("TRUE" is "true", " 7 " is "7"). A
 * value that does not pass the check is shown as it is.
 *
 * room  takes the text and its NUL: KAFKA_SHOWN_BYTES more than the value has.
 */
enum { KAFKA_SHOWN_BYTES = 32 };
const char *kafka_key_shown(const struct kafka_key *key, struct bytes value, char *room);

static inline bool kafka_key_sensitive(const struct kafka_key *key)
{
    return key->type == KAFKA_KEY_PASSWORD;
}

/* The synonyms of a key in the order they are looked at, the first set one wins; *count may be 0.
 * A topic key lists broker keys; a broker key lists itself and those it falls back to. */
const struct kafka_synonym *kafka_synonyms(enum kafka_scope scope, const char *name,
                                           uint32_t *count);

/* Where a broker value comes from: NULL when it is not set there. */
typedef const char *(*kafka_lookup)(void *context, const char *broker_name);

/* The default of a topic key on a broker whose set keys `lookup` knows, as text.
 *
 * Looks at the synonyms in order and converts hours and minutes; when none is set, the table's
 * default. The result is a view of lookup's answer, of the table or of room; NULL is Kafka's null.
 * Values that lookup gives must have passed kafka_key_check. *from, if not NULL, becomes the
 * synonym that gave the value, or NULL for the table's default.
 */
const char *kafka_topic_default(const struct kafka_key *key, kafka_lookup lookup, void *context,
                                char room[24], const struct kafka_synonym **from);

/* Elements of a LIST value, trimmed. Start with *rest = value; false at the end. */
bool kafka_list_next(struct bytes *rest, struct bytes *element);

/* True when the LIST value holds the element. */
bool kafka_list_has(struct bytes list, const char *element);

/* What two keys of one topic must fulfil together; arguments are effective values.
 * Wording and order as LogConfig.validateTopicLogConfigValues. */
MUST_USE bool kafka_topic_check_together(int64_t min_compaction_lag_ms,
                                         int64_t max_compaction_lag_ms, bool remote_storage,
                                         struct kafka_key_error *error);

/* "Unknown topic config name: x", the answer to a key that is not in the table. */
void kafka_key_unknown(struct bytes name, struct kafka_key_error *error);

/* The tables, for kafka_keys.c. */
extern const struct kafka_key kafka_broker_table[];
extern const uint32_t kafka_broker_table_count;
extern const struct kafka_key kafka_topic_table[];
extern const uint32_t kafka_topic_table_count;
extern const struct kafka_key kafka_group_table[];
extern const uint32_t kafka_group_table_count;

/* How the tables write a check. */
#define ANY             KAFKA_CHECK_ANY, KAFKA_NO_MIN, KAFKA_NO_MAX, NULL
#define AT_LEAST(low)   KAFKA_CHECK_RANGE, low, KAFKA_NO_MAX, NULL
#define BETWEEN(lo, hi) KAFKA_CHECK_RANGE, lo, hi, NULL
#define ONE_OF(names)   KAFKA_CHECK_ONE_OF, KAFKA_NO_MIN, KAFKA_NO_MAX, names
#define ADDRESSES       KAFKA_CHECK_ADDRESSES, KAFKA_NO_MIN, KAFKA_NO_MAX, NULL
#define ANY_CASE(names) KAFKA_CHECK_ONE_OF_ANY_CASE, KAFKA_NO_MIN, KAFKA_NO_MAX, names
#define LIST_OF(names)  KAFKA_CHECK_LIST_OF, KAFKA_NO_MIN, KAFKA_NO_MAX, names
#define SOME_OF(names)  KAFKA_CHECK_LIST_OF, 1, KAFKA_NO_MAX, names
#define SOME_LIST       KAFKA_CHECK_LIST, 1, KAFKA_NO_MAX, NULL
#define CHECKED(kind)   KAFKA_CHECK_##kind, KAFKA_NO_MIN, KAFKA_NO_MAX, NULL

#endif
