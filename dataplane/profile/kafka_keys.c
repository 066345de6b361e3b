#include "dataplane/profile/kafka_keys.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum { HOUR_MS = 3600000, MINUTE_MS = 60000 };

/* ServerTopicConfigSynonyms and DynamicBrokerConfig.brokerConfigSynonyms, in order of precedence.
 */
static const struct kafka_synonym topic_synonyms[] = {
    {"cleanup.policy", "log.cleanup.policy", 1},
    {"compression.gzip.level", "compression.gzip.level", 1},
    {"compression.lz4.level", "compression.lz4.level", 1},
    {"compression.type", "compression.type", 1},
    {"compression.zstd.level", "compression.zstd.level", 1},
    {"delete.retention.ms", "log.cleaner.delete.retention.ms", 1},
    {"file.delete.delay.ms", "log.segment.delete.delay.ms", 1},
    {"flush.messages", "log.flush.interval.messages", 1},
    {"flush.ms", "log.flush.interval.ms", 1},
    {"flush.ms", "log.flush.scheduler.interval.ms", 1},
    {"index.interval.bytes", "log.index.interval.bytes", 1},
    {"local.retention.bytes", "log.local.retention.bytes", 1},
    {"local.retention.ms", "log.local.retention.ms", 1},
    {"max.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms", 1},
    {"max.message.bytes", "message.max.bytes", 1},
    {"message.timestamp.after.max.ms", "log.message.timestamp.after.max.ms", 1},
    {"message.timestamp.before.max.ms", "log.message.timestamp.before.max.ms", 1},
    {"message.timestamp.type", "log.message.timestamp.type", 1},
    {"min.cleanable.dirty.ratio", "log.cleaner.min.cleanable.ratio", 1},
    {"min.compaction.lag.ms", "log.cleaner.min.compaction.lag.ms", 1},
    {"min.insync.replicas", "min.insync.replicas", 1},
    {"preallocate", "log.preallocate", 1},
    {"retention.bytes", "log.retention.bytes", 1},
    {"retention.ms", "log.retention.ms", 1},
    {"retention.ms", "log.retention.minutes", MINUTE_MS},
    {"retention.ms", "log.retention.hours", HOUR_MS},
    {"segment.bytes", "log.segment.bytes", 1},
    {"segment.index.bytes", "log.index.size.max.bytes", 1},
    {"segment.jitter.ms", "log.roll.jitter.ms", 1},
    {"segment.jitter.ms", "log.roll.jitter.hours", HOUR_MS},
    {"segment.ms", "log.roll.ms", 1},
    {"segment.ms", "log.roll.hours", HOUR_MS},
    {"unclean.leader.election.enable", "unclean.leader.election.enable", 1},
};

static const struct kafka_synonym broker_synonyms[] = {
    {"log.flush.interval.ms", "log.flush.interval.ms", 1},
    {"log.flush.interval.ms", "log.flush.scheduler.interval.ms", 1},
    {"log.retention.hours", "log.retention.ms", 1},
    {"log.retention.hours", "log.retention.minutes", MINUTE_MS},
    {"log.retention.hours", "log.retention.hours", HOUR_MS},
    {"log.retention.minutes", "log.retention.ms", 1},
    {"log.retention.minutes", "log.retention.minutes", MINUTE_MS},
    {"log.retention.minutes", "log.retention.hours", HOUR_MS},
    {"log.retention.ms", "log.retention.ms", 1},
    {"log.retention.ms", "log.retention.minutes", MINUTE_MS},
    {"log.retention.ms", "log.retention.hours", HOUR_MS},
    {"log.roll.hours", "log.roll.ms", 1},
    {"log.roll.hours", "log.roll.hours", HOUR_MS},
    {"log.roll.jitter.hours", "log.roll.jitter.ms", 1},
    {"log.roll.jitter.hours", "log.roll.jitter.hours", HOUR_MS},
    {"log.roll.jitter.ms", "log.roll.jitter.ms", 1},
    {"log.roll.jitter.ms", "log.roll.jitter.hours", HOUR_MS},
    {"log.roll.ms", "log.roll.ms", 1},
    {"log.roll.ms", "log.roll.hours", HOUR_MS},
};

const struct kafka_key *kafka_keys(enum kafka_scope scope, uint32_t *count)
{
    switch (scope) {
    case KAFKA_TOPIC: *count = kafka_topic_table_count; return kafka_topic_table;
    case KAFKA_BROKER: *count = kafka_broker_table_count; return kafka_broker_table;
    case KAFKA_GROUP: *count = kafka_group_table_count; return kafka_group_table;
    }
    ASSERT(false && "a scope outside the enum");
    return NULL;
}

static int name_compare(struct bytes name, const char *other)
{
    const uint32_t len = (uint32_t)strlen(other);
    const int order = memcmp(name.ptr, other, min_u32(name.len, len));
    return order != 0 ? order : (name.len > len) - (name.len < len);
}

const struct kafka_key *kafka_key_find(enum kafka_scope scope, struct bytes name)
{
    uint32_t high = 0;
    const struct kafka_key *keys = kafka_keys(scope, &high);
    uint32_t low = 0;
    while (name.len > 0 && low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const int order = name_compare(name, keys[middle].name);
        if (order == 0) {
            return &keys[middle];
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

const struct kafka_synonym *kafka_synonyms(enum kafka_scope scope, const char *name,
                                           uint32_t *count)
{
    const struct kafka_synonym *rows = scope == KAFKA_TOPIC ? topic_synonyms : broker_synonyms;
    const uint32_t total =
        scope == KAFKA_TOPIC ? ARRAY_SIZE(topic_synonyms) : ARRAY_SIZE(broker_synonyms);
    const struct kafka_synonym *first = NULL;
    *count = 0;
    for (uint32_t i = 0; i < total && scope != KAFKA_GROUP; i++) {
        if (strcmp(rows[i].name, name) == 0) {
            first = first != NULL ? first : &rows[i];
            (*count)++;
        }
    }
    return first;
}

static bool is_space(uint8_t c)
{
    return c <= ' '; /* What Java's String.trim() takes off. */
}

static struct bytes trimmed(struct bytes text)
{
    while (text.len > 0 && is_space(text.ptr[0])) {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && is_space(text.ptr[text.len - 1])) {
        text.len--;
    }
    return text;
}

bool kafka_list_next(struct bytes *rest, struct bytes *element)
{
    if (rest->ptr == NULL || (rest->len == 0 && element->ptr == NULL)) {
        return false;
    }
    const uint8_t *comma = rest->len > 0 ? memchr(rest->ptr, ',', rest->len) : NULL;
    const uint32_t len = comma != NULL ? (uint32_t)(comma - rest->ptr) : rest->len;
    *element = trimmed((struct bytes){rest->ptr, len});
    /* A comma at the end has an empty element behind it: keep rest alive for that one. */
    *rest = comma != NULL ? (struct bytes){comma + 1, rest->len - len - 1} : (struct bytes){0};
    return true;
}

static bool text_is(struct bytes text, const char *other)
{
    return text.len == strlen(other) && (text.len == 0 || memcmp(text.ptr, other, text.len) == 0);
}

static bool text_is_any_case(struct bytes text, const char *other)
{
    return text.len == strlen(other) && strncasecmp((const char *)text.ptr, other, text.len) == 0;
}

bool kafka_list_has(struct bytes list, const char *element)
{
    struct bytes one = {0};
    while (kafka_list_next(&list, &one)) {
        if (text_is(one, element)) {
            return true;
        }
    }
    return false;
}

static bool choice_has(const char *choices, struct bytes text, bool any_case)
{
    struct bytes rest = bytes_of_string(choices);
    struct bytes one = {0};
    while (kafka_list_next(&rest, &one)) {
        if (any_case ? one.len == text.len &&
                           strncasecmp((const char *)one.ptr, (const char *)text.ptr, one.len) == 0
                     : bytes_equal(one, text)) {
            return true;
        }
    }
    return false;
}

/* The ConfigException of Kafka: which value of which key, and why. Long values are cut. */
static bool wrong(const struct kafka_key *key, struct bytes value, struct kafka_key_error *error,
                  const char *why)
{
    static const struct bytes hidden = {(const uint8_t *)"[hidden]", 8};
    const struct bytes shown = kafka_key_sensitive(key) ? hidden : value;
    (void)snprintf(error->text, sizeof(error->text), "Invalid value %.*s for configuration %s: %s",
                   (int)min_u32(shown.len, 200), (const char *)shown.ptr, key->name, why);
    return false;
}

static bool wrong_list(const struct kafka_key *key, struct kafka_key_error *error, const char *why)
{
    (void)snprintf(error->text, sizeof(error->text), "Configuration '%s' values must not be %s.",
                   key->name, why);
    return false;
}

/* Java's Long.parseLong: an optional sign and decimal digits, nothing else. */
static bool parse_integer(struct bytes text, int64_t low, int64_t high, int64_t *out)
{
    const bool minus = text.len > 0 && text.ptr[0] == '-';
    uint32_t at = text.len > 0 && (minus || text.ptr[0] == '+') ? 1 : 0;
    if (at == text.len) {
        return false;
    }
    int64_t value = 0;
    for (; at < text.len; at++) {
        const int64_t digit = (int64_t)text.ptr[at] - '0';
        if (digit < 0 || digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, digit, &value)) {
            return false; /* Counted downwards: INT64_MIN has no positive twin. */
        }
    }
    if (!minus && value == INT64_MIN) {
        return false;
    }
    *out = minus ? value : -value;
    return *out >= low && *out <= high;
}

static bool parse_real(struct bytes text, double *out)
{
    char room[64];
    if (text.len == 0 || text.len >= sizeof(room)) {
        return false;
    }
    memcpy(room, text.ptr, text.len);
    room[text.len] = '\0';
    char *end = NULL;
    *out = strtod(room, &end);
    return *end == '\0';
}

/* `shown` is the number as Kafka prints it, not as it was written. */
static bool check_range(const struct kafka_key *key, const char *shown, double number,
                        struct kafka_key_error *error)
{
    const struct bytes text = bytes_of_string(shown);
    char why[64];
    if (key->min != KAFKA_NO_MIN && number < (double)key->min) {
        (void)snprintf(why, sizeof(why), "Value must be at least %" PRId64, key->min);
        return wrong(key, text, error, why);
    }
    if (key->max != KAFKA_NO_MAX && number > (double)key->max) {
        (void)snprintf(why, sizeof(why), "Value must be no more than %" PRId64, key->max);
        return wrong(key, text, error, why);
    }
    return true;
}

static bool check_integer(const struct kafka_key *key, struct bytes raw, struct kafka_value *out,
                          struct kafka_key_error *error)
{
    int64_t low = INT64_MIN;
    int64_t high = INT64_MAX;
    const char *why = "Not a number of type LONG";
    if (key->type == KAFKA_KEY_INT) {
        low = INT32_MIN;
        high = INT32_MAX;
        why = "Not a number of type INT";
    } else if (key->type == KAFKA_KEY_SHORT) {
        low = INT16_MIN;
        high = INT16_MAX;
        why = "Not a number of type SHORT";
    }
    if (!parse_integer(trimmed(raw), low, high, &out->number)) {
        return wrong(key, raw, error, why);
    }
    if (key->check == KAFKA_CHECK_GZIP_LEVEL) {
        const bool good = out->number == -1 || (out->number >= 1 && out->number <= 9);
        return good ||
               wrong(key, trimmed(raw), error, "Value must be between 1 and 9 or equal to -1");
    }
    char shown[24];
    (void)snprintf(shown, sizeof(shown), "%" PRId64, out->number);
    return check_range(key, shown, (double)out->number, error);
}

/* As Java prints a double: the fewest digits that are read as the same number, with a point in
 * them, and with an exponent below a thousandth and from ten million on. */
static void real_show(double number, char room[KAFKA_SHOWN_BYTES])
{
    int precision = 0;
    do {
        (void)snprintf(room, KAFKA_SHOWN_BYTES, "%.*e", precision, number);
    } while (strtod(room, NULL) != number && ++precision < 17);
    char *mark = strchr(room, 'e');
    if (mark == NULL) { /* Not finite. */
        (void)snprintf(room, KAFKA_SHOWN_BYTES, "%s",
                       number != number ? "NaN"
                       : number > 0     ? "Infinity"
                                        : "-Infinity");
        return;
    }
    const int exponent = atoi(mark + 1);
    if (number != 0 && (exponent < -3 || exponent > 6)) {
        const size_t left = KAFKA_SHOWN_BYTES - (size_t)(mark - room);
        (void)snprintf(mark, left, "%sE%d", precision == 0 ? ".0" : "", exponent);
    } else {
        const int places = precision - exponent;
        (void)snprintf(room, KAFKA_SHOWN_BYTES, "%.*f", places > 0 ? places : 1, number);
    }
}

static bool check_real(const struct kafka_key *key, struct bytes raw, struct kafka_value *out,
                       struct kafka_key_error *error)
{
    if (!parse_real(trimmed(raw), &out->real)) {
        return wrong(key, raw, error, "Not a number of type DOUBLE");
    }
    char shown[KAFKA_SHOWN_BYTES];
    real_show(out->real, shown);
    return check_range(key, shown, out->real, error);
}

static bool check_boolean(const struct kafka_key *key, struct bytes raw, struct kafka_value *out,
                          struct kafka_key_error *error)
{
    const struct bytes text = trimmed(raw);
    out->number = text_is_any_case(text, "true");
    return out->number == 1 || text_is_any_case(text, "false") ||
           wrong(key, raw, error, "Expected value to be either true or false");
}

static bool check_choice(const struct kafka_key *key, struct bytes text, bool any_case,
                         struct kafka_key_error *error)
{
    if (choice_has(key->choices, text, any_case)) {
        return true;
    }
    char why[256];
    (void)snprintf(why, sizeof(why), "String must be one of%s: %s",
                   any_case ? " (case insensitive)" : "", key->choices);
    return wrong(key, text, error, why);
}

static bool check_list(const struct kafka_key *key, struct bytes text,
                       struct kafka_key_error *error)
{
    struct bytes rest = text;
    struct bytes one = {0};
    if (text.len == 0 && key->min > 0) {
        const char *open = key->choices != NULL ? "[" : "";
        (void)snprintf(error->text, sizeof(error->text),
                       "Configuration '%s' must not be empty. Valid values include: %s%s%s",
                       key->name, open, key->choices != NULL ? key->choices : "any non-empty value",
                       open[0] != '\0' ? "]" : "");
        return false;
    }
    while (kafka_list_next(&rest, &one)) {
        if (one.len == 0) {
            return wrong_list(key, error, "empty");
        }
        if (key->check == KAFKA_CHECK_LIST_OF && !check_choice(key, one, false, error)) {
            return false;
        }
    }
    return true;
}

static bool digits(struct bytes *text)
{
    const uint32_t before = text->len;
    while (text->len > 0 && text->ptr[0] >= '0' && text->ptr[0] <= '9') {
        text->ptr++;
        text->len--;
    }
    return text->len < before;
}

/* "[a, b]", as Java prints a list; cut when it is long. */
static struct bytes list_shown(struct bytes text, char room[256])
{
    size_t used = (size_t)snprintf(room, 256, "[");
    struct bytes rest = text;
    struct bytes one = {0};
    while (kafka_list_next(&rest, &one) && used < 250) {
        used += (size_t)snprintf(room + used, 256 - used, "%s%.*s", used > 1 ? ", " : "",
                                 (int)min_u32(one.len, 200), (const char *)one.ptr);
    }
    used = used < 254 ? used : 254;
    (void)snprintf(room + used, 2, "]");
    return (struct bytes){(const uint8_t *)room, (uint32_t)used + 1};
}

/* ThrottledReplicaListValidator: elements are empty or number:number, or all is one "*". */
static bool check_replicas(const struct kafka_key *key, struct bytes text,
                           struct kafka_key_error *error)
{
    struct bytes rest = text;
    struct bytes one = {0};
    while (!text_is(text, "*") && text.len > 0 && kafka_list_next(&rest, &one)) {
        struct bytes left = one;
        bool good = one.len == 0 || (digits(&left) && left.len > 0 && left.ptr[0] == ':');
        if (good && one.len > 0) {
            left.ptr++;
            left.len--;
            good = digits(&left) && left.len == 0;
        }
        if (!good) {
            char why[256];
            (void)snprintf(why, sizeof(why),
                           "%s must be the literal '*' or a list of replicas in the following "
                           "format: [partitionId]:[brokerId],[partitionId]:[brokerId],...",
                           key->name);
            char shown[256];
            return wrong(key, list_shown(text, shown), error, why);
        }
    }
    return true;
}

/* "10.0.0.1:5,::1:0". Kafka looks names up, too: here none stands for an address that may change
 * behind it, and a look-up may take long. */
static bool check_addresses(const struct kafka_key *key, struct bytes text,
                            struct kafka_key_error *error)
{
    struct bytes rest = text;
    struct bytes one = {0};
    while (text.len > 0 && kafka_list_next(&rest, &one)) {
        const uint8_t *colon = memrchr(one.ptr, ':', one.len);
        const uint32_t host = colon == NULL ? one.len : (uint32_t)(colon - one.ptr);
        struct bytes number = {one.ptr + host + 1, colon == NULL ? 0 : one.len - host - 1};
        char address[INET6_ADDRSTRLEN] = "";
        struct in6_addr parsed;
        if (host < sizeof(address)) {
            memcpy(address, one.ptr, host);
        }
        if (digits(&number) && number.len == 0 &&
            (inet_pton(AF_INET, address, &parsed) == 1 ||
             inet_pton(AF_INET6, address, &parsed) == 1)) {
            continue;
        }
        char why[300];
        (void)snprintf(why, sizeof(why),
                       "%s takes address:number elements, and %.*s is none; names are not looked "
                       "up (getent ahosts NAME does)",
                       key->name, (int)min_u32(one.len, 100), (const char *)one.ptr);
        return wrong(key, text, error, why);
    }
    return true;
}

static bool check_offset_reset(const struct kafka_key *key, struct bytes text,
                               struct kafka_key_error *error)
{
    static const char prefix[] = "by_duration:P";
    const bool duration = text.len > sizeof(prefix) - 1 &&
                          strncasecmp((const char *)text.ptr, prefix, sizeof(prefix) - 1) == 0;
    if (duration || text_is(text, "latest") || text_is(text, "earliest")) {
        return true;
    }
    char why[300];
    (void)snprintf(why, sizeof(why),
                   "Invalid value `%.*s` for configuration %s. The value must be either "
                   "'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'.",
                   (int)min_u32(text.len, 100), (const char *)text.ptr, key->name);
    return wrong(key, text, error, why);
}

static bool check_typed(const struct kafka_key *key, struct bytes raw, struct kafka_value *out,
                        struct kafka_key_error *error)
{
    const struct bytes text = trimmed(raw);
    switch (key->type) {
    case KAFKA_KEY_BOOLEAN: return check_boolean(key, raw, out, error);
    case KAFKA_KEY_INT:
    case KAFKA_KEY_SHORT:
    case KAFKA_KEY_LONG: return check_integer(key, raw, out, error);
    case KAFKA_KEY_DOUBLE: return check_real(key, raw, out, error);
    case KAFKA_KEY_LIST:
        return key->check == KAFKA_CHECK_REPLICAS ? check_replicas(key, text, error)
                                                  : check_list(key, text, error);
    case KAFKA_KEY_STRING:
        if (key->check == KAFKA_CHECK_OFFSET_RESET) {
            return check_offset_reset(key, text, error);
        }
        if (key->check == KAFKA_CHECK_ADDRESSES) {
            return check_addresses(key, text, error);
        }
        return key->choices == NULL ||
               check_choice(key, text, key->check == KAFKA_CHECK_ONE_OF_ANY_CASE, error);
    case KAFKA_KEY_CLASS:
    case KAFKA_KEY_PASSWORD: break;
    }
    return true;
}

bool kafka_key_check(const struct kafka_key *key, struct bytes value, struct kafka_value *out,
                     struct kafka_key_error *error)
{
    struct kafka_value scratch;
    out = out != NULL ? out : &scratch;
    *out = (struct kafka_value){0};
    if (value.ptr == NULL && value.len == 0) {
        return key->fallback == NULL || wrong(key, (struct bytes){(const uint8_t *)"null", 4},
                                              error, "Value must be non-null");
    }
    return check_typed(key, value, out, error);
}

/* The elements with nothing around them; where doubles do not matter, each one once. */
static void list_show(const struct kafka_key *key, struct bytes text, char *room)
{
    const bool once = key->check == KAFKA_CHECK_LIST || key->check == KAFKA_CHECK_LIST_OF;
    struct bytes rest = text;
    struct bytes one = {0};
    char *end = room;
    bool any = false;
    while (text.len > 0 && kafka_list_next(&rest, &one)) {
        const struct bytes before = {(const uint8_t *)room, (uint32_t)(end - room)};
        struct bytes left = before;
        struct bytes other = {0};
        bool there = false;
        while (once && before.len > 0 && !there && kafka_list_next(&left, &other)) {
            there = bytes_equal(other, one);
        }
        if (there) {
            continue;
        }
        if (any) {
            *end++ = ',';
        }
        any = true;
        memcpy(end, one.ptr, one.len);
        end += one.len;
    }
    *end = '\0';
}

const char *kafka_key_shown(const struct kafka_key *key, struct bytes value, char *room)
{
    struct kafka_value read;
    struct kafka_key_error error;
    const bool good = kafka_key_check(key, value, &read, &error);
    const struct bytes text = good ? trimmed(value) : value;
    const enum kafka_key_type type = good ? key->type : KAFKA_KEY_STRING;
    switch (type) {
    case KAFKA_KEY_BOOLEAN:
        (void)snprintf(room, KAFKA_SHOWN_BYTES, "%s", read.number != 0 ? "true" : "false");
        return room;
    case KAFKA_KEY_INT:
    case KAFKA_KEY_SHORT:
    case KAFKA_KEY_LONG:
        (void)snprintf(room, KAFKA_SHOWN_BYTES, "%" PRId64, read.number);
        return room;
    case KAFKA_KEY_DOUBLE: real_show(read.real, room); return room;
    case KAFKA_KEY_LIST: list_show(key, text, room); return room;
    case KAFKA_KEY_STRING:
    case KAFKA_KEY_CLASS:
    case KAFKA_KEY_PASSWORD: break;
    }
    if (text.len > 0) {
        memcpy(room, text.ptr, text.len);
    }
    room[text.len] = '\0';
    return room;
}

const char *kafka_topic_default(const struct kafka_key *key, kafka_lookup lookup, void *context,
                                char room[24], const struct kafka_synonym **from)
{
    uint32_t count = 0;
    const struct kafka_synonym *rows = kafka_synonyms(KAFKA_TOPIC, key->name, &count);
    for (uint32_t i = 0; i < count; i++) {
        const char *value = lookup(context, rows[i].broker_name);
        if (value == NULL) {
            continue;
        }
        if (from != NULL) {
            *from = &rows[i];
        }
        if (rows[i].factor == 1) {
            return value;
        }
        int64_t number = 0;
        const struct bytes text = bytes_of_string(value);
        const bool good = parse_integer(trimmed(text), INT32_MIN, INT32_MAX, &number);
        ASSERT(good && "lookup gives checked values");
        /* A negative number of hours or minutes means for ever
         * (KafkaConfig.logRetentionTimeMillis). */
        const int64_t product = number < 0 ? -1 : number * rows[i].factor;
        (void)snprintf(room, 24, "%" PRId64, product);
        return room;
    }
    if (from != NULL) {
        *from = NULL;
    }
    return key->fallback;
}

bool kafka_topic_check_together(int64_t min_compaction_lag_ms, int64_t max_compaction_lag_ms,
                                bool remote_storage, struct kafka_key_error *error)
{
    if (min_compaction_lag_ms > max_compaction_lag_ms) {
        (void)snprintf(error->text, sizeof(error->text),
                       "conflict topic config setting min.compaction.lag.ms (%" PRId64
                       ") > max.compaction.lag.ms (%" PRId64 ")",
                       min_compaction_lag_ms, max_compaction_lag_ms);
        return false;
    }
    if (remote_storage) {
        (void)snprintf(error->text, sizeof(error->text),
                       "Tiered Storage functionality is disabled in the broker. "
                       "Topic cannot be configured with remote log storage.");
        return false;
    }
    return true;
}

void kafka_key_unknown(struct bytes name, struct kafka_key_error *error)
{
    (void)snprintf(error->text, sizeof(error->text), "Unknown topic config name: %.*s",
                   (int)min_u32(name.len, 250), (const char *)name.ptr);
}
