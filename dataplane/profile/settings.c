#include "dataplane/profile/settings.h"

#include <stdarg.h>
#include <stdlib.h>

#include "dataplane/profile/settings_table.h"
#include "dataplane/profile/suggest.h"
#include "storage/base/text.h"

struct settings_text {
    struct settings_text *next;
    char text[];
};

static const char kafka_prefix[] = "kafka.";
static const char environment_prefix[] = "MILLRACE_";

const char *settings_keep(struct settings *settings, struct bytes text)
{
    struct settings_text *copy = malloc(sizeof(*copy) + text.len + 1);
    ASSERT(copy != NULL && "no memory at start");
    if (text.len > 0) {
        memcpy(copy->text, text.ptr, text.len);
    }
    copy->text[text.len] = '\0';
    copy->next = settings->texts;
    settings->texts = copy;
    return copy->text;
}

void settings_free(struct settings *settings)
{
    while (settings->texts != NULL) {
        struct settings_text *next = settings->texts->next;
        free(settings->texts);
        settings->texts = next;
    }
}

void settings_problem(struct settings_problems *problems, const char *format, ...)
{
    if (problems->count < SETTINGS_PROBLEMS_MAX) {
        va_list arguments;
        va_start(arguments, format);
        char *room = problems->error[problems->count++];
        (void)vsnprintf(room, sizeof(problems->error[0]), format, arguments);
        va_end(arguments);
    }
}

void settings_warning(struct settings_problems *problems, const char *format, ...)
{
    if (problems->warnings < SETTINGS_PROBLEMS_MAX) {
        va_list arguments;
        va_start(arguments, format);
        char *room = problems->warning[problems->warnings++];
        (void)vsnprintf(room, sizeof(problems->warning[0]), format, arguments);
        va_end(arguments);
    }
}

/* ---- Setting one key ------------------------------------------------------------------------ */

static struct bytes last_part(struct bytes name)
{
    uint32_t at = name.len;
    while (at > 0 && name.ptr[at - 1] != '.') {
        at--;
    }
    return (struct bytes){name.ptr + at, name.len - at};
}

/* The nearest key; a key of another section whose last word is the same is near, too. */
static struct bytes nearest_key(struct bytes name)
{
    struct suggestion near = suggest(name);
    for (uint32_t i = 0; i < settings_table_count; i++) {
        suggest_offer(&near, settings_table[i].name);
    }
    for (uint32_t i = 0; i < settings_table_count && near.best.len == 0; i++) {
        if (bytes_equal(last_part(bytes_of_string(settings_table[i].name)), last_part(name))) {
            near.best = bytes_of_string(settings_table[i].name);
        }
    }
    return near.best;
}

static void tell_unknown(struct settings_problems *problems, const char *where, struct bytes name)
{
    const struct bytes near = nearest_key(name);
    settings_problem(problems, "%s: unknown key '%.*s'%s%.*s%s", where, (int)name.len,
                     (const char *)name.ptr, near.len > 0 ? "; did you mean '" : "", (int)near.len,
                     (const char *)near.ptr, near.len > 0 ? "'?" : "");
}

static void tell_unknown_kafka(struct settings_problems *problems, const char *where,
                               struct bytes name)
{
    const struct kafka_key *topic_key = kafka_key_find(KAFKA_TOPIC, name);
    uint32_t synonyms = 0;
    const struct kafka_synonym *synonym =
        topic_key != NULL ? kafka_synonyms(KAFKA_TOPIC, topic_key->name, &synonyms) : NULL;
    if (synonym != NULL) {
        settings_problem(problems, "%s: '%s' is a topic's key; its default for all topics is '%s'",
                         where, topic_key->name, synonym->broker_name);
        return;
    }
    struct suggestion near = suggest(name);
    uint32_t count = 0;
    const struct kafka_key *keys = kafka_keys(KAFKA_BROKER, &count);
    for (uint32_t i = 0; i < count; i++) {
        suggest_offer(&near, keys[i].name);
    }
    const bool found = near.best.len > 0;
    settings_problem(problems, "%s: unknown Kafka key '%.*s'%s%.*s%s", where, (int)name.len,
                     (const char *)name.ptr, found ? "; did you mean '" : "", (int)near.best.len,
                     (const char *)near.best.ptr, found ? "'?" : "");
}

static const char *elsewhere(const struct kafka_key *key)
{
    if (strcmp(key->name, "listeners") == 0) {
        return "network.listen or --listen";
    }
    return strcmp(key->name, "advertised.listeners") == 0 ? "network.advertised"
                                                          : "storage.data or --data";
}

static void set_kafka(struct settings *settings, enum settings_source source, const char *where,
                      struct bytes name, struct bytes text, struct settings_problems *problems)
{
    const struct kafka_key *key = kafka_key_find(KAFKA_BROKER, name);
    struct kafka_key_error error;
    struct kafka_value value;
    if (key == NULL) {
        tell_unknown_kafka(problems, where, name);
        return;
    }
    if ((key->flags & KAFKA_ELSEWHERE) != 0) {
        settings_problem(problems, "%s: '%s' is set by %s", where, key->name, elsewhere(key));
        return;
    }
    if (!kafka_key_check(key, text, &value, &error)) {
        settings_problem(problems, "%s: %s", where, error.text);
        return;
    }
    uint32_t count = 0;
    const uint32_t at = (uint32_t)(key - kafka_keys(KAFKA_BROKER, &count));
    ASSERT(count <= SETTINGS_KAFKA_KEYS_MAX);
    settings->kafka[at] = settings_keep(settings, text);
    settings->kafka_origins[at] =
        (struct settings_origin){source, settings_keep(settings, bytes_of_string(where))};
}

void settings_set(struct settings *settings, enum settings_source source, const char *where,
                  struct bytes name, struct bytes text, struct settings_problems *problems)
{
    const uint32_t prefix = sizeof(kafka_prefix) - 1;
    if (name.len > prefix && memcmp(name.ptr, kafka_prefix, prefix) == 0) {
        const struct bytes rest = {name.ptr + prefix, name.len - prefix};
        set_kafka(settings, source, where, rest, text, problems);
        return;
    }
    const struct settings_key *key = settings_key_find(name);
    if (key == NULL) {
        tell_unknown(problems, where, name);
        return;
    }
    struct settings_origin *origin = &settings->origins[key - settings_table];
    if (key->type == SETTINGS_PATHS && origin->source != source) {
        ((struct settings_paths *)(void *)((char *)settings + key->offset))->count = 0;
    }
    char error[300];
    if (!settings_value_parse(settings, key, text, error)) {
        settings_problem(problems, "%s: '%s' %s, not '%.*s'", where, key->name, error,
                         (int)min_u32(text.len, 100), (const char *)text.ptr);
        return;
    }
    *origin = (struct settings_origin){source, settings_keep(settings, bytes_of_string(where))};
}

static void set_defaults(struct settings *settings)
{
    for (uint32_t i = 0; i < settings_table_count; i++) {
        char error[300];
        const bool good = settings_value_parse(settings, &settings_table[i],
                                               bytes_of_string(settings_table[i].fallback), error);
        ASSERT(good && "a default that its own parser refuses");
    }
}

/* ---- Environment ---------------------------------------------------------------------------- */

/* MILLRACE_CORES_COUNT for cores.count, MILLRACE_KAFKA_NODE_ID for node.id under kafka. */
static void variable_name(const char *prefix, const char *name, char room[160])
{
    struct text text;
    text_init(&text, room, 160);
    text_string(&text, environment_prefix);
    for (const char *at = prefix; *at != '\0'; at++) {
        text_char(&text, *at == '.' ? '_' : (char)(*at - ('a' - 'A')));
    }
    for (const char *at = name; *at != '\0'; at++) {
        const bool letter = *at >= 'a' && *at <= 'z';
        text_char(&text, *at == '.' ? '_' : letter ? (char)(*at - ('a' - 'A')) : *at);
    }
}

static bool set_from_variable(struct settings *settings, struct bytes variable, struct bytes text,
                              struct settings_problems *problems)
{
    char name[160];
    for (uint32_t i = 0; i < settings_table_count; i++) {
        variable_name("", settings_table[i].name, name);
        if (bytes_equal(variable, bytes_of_string(name))) {
            settings_set(settings, FROM_ENVIRONMENT, name, bytes_of_string(settings_table[i].name),
                         text, problems);
            return true;
        }
    }
    uint32_t count = 0;
    const struct kafka_key *keys = kafka_keys(KAFKA_BROKER, &count);
    for (uint32_t i = 0; i < count; i++) {
        variable_name(kafka_prefix, keys[i].name, name);
        if (bytes_equal(variable, bytes_of_string(name))) {
            set_kafka(settings, FROM_ENVIRONMENT, name, bytes_of_string(keys[i].name), text,
                      problems);
            return true;
        }
    }
    return false;
}

static void tell_unknown_variable(struct bytes variable, struct settings_problems *problems)
{
    const uint32_t prefix = sizeof(environment_prefix) - 1;
    char names[2][160]; /* The best so far and the next one. */
    uint32_t next = 0;
    struct suggestion near = suggest((struct bytes){variable.ptr + prefix, variable.len - prefix});
    for (uint32_t i = 0; i < settings_table_count; i++) {
        variable_name("", settings_table[i].name, names[next]);
        suggest_offer(&near, names[next] + prefix);
        next = near.best.ptr == (const uint8_t *)names[next] + prefix ? 1 - next : next;
    }
    const bool found = near.best.len > 0;
    settings_warning(problems, "%.*s in the environment is no key%s%.*s%s", (int)variable.len,
                     (const char *)variable.ptr, found ? "; did you mean MILLRACE_" : "",
                     (int)near.best.len, (const char *)near.best.ptr, found ? "?" : "");
}

static const char *variable_value(const struct settings_input *input, const char *name)
{
    const size_t len = strlen(name);
    for (char *const *at = input->environment; at != NULL && *at != NULL; at++) {
        if (strncmp(*at, name, len) == 0 && (*at)[len] == '=') {
            return *at + len + 1;
        }
    }
    return NULL;
}

static void set_environment(struct settings *settings, const struct settings_input *input,
                            struct settings_problems *problems)
{
    const size_t prefix = sizeof(environment_prefix) - 1;
    for (char *const *at = input->environment; at != NULL && *at != NULL; at++) {
        const char *equals = strchr(*at, '=');
        if (equals == NULL || strncmp(*at, environment_prefix, prefix) != 0) {
            continue;
        }
        const struct bytes variable = {(const uint8_t *)*at, (uint32_t)(equals - *at)};
        if (!set_from_variable(settings, variable, bytes_of_string(equals + 1), problems) &&
            !bytes_equal(variable, bytes_of_string("MILLRACE_PROFILE")) &&
            !bytes_equal(variable, bytes_of_string("MILLRACE_CONFIG"))) {
            tell_unknown_variable(variable, problems);
        }
    }
}

/* ---- Flags ---------------------------------------------------------------------------------- */

/* One flag with its value, if it takes one; `at` moves behind both. */
struct flag {
    struct bytes name; /* "--listen" */
    const char *value; /* NULL when there is none. */
    int at;
};

static bool flag_next(const struct settings_input *input, struct flag *flag)
{
    if (flag->at >= input->argc) {
        return false;
    }
    const char *word = input->argv[flag->at++];
    const char *equals = strncmp(word, "--", 2) == 0 ? strchr(word, '=') : NULL;
    flag->name = equals != NULL ? (struct bytes){(const uint8_t *)word, (uint32_t)(equals - word)}
                                : bytes_of_string(word);
    flag->value = equals != NULL ? equals + 1 : NULL;
    return true;
}

/* The flag's value, taking the next word when it did not stand behind '='. */
static const char *flag_value(const struct settings_input *input, struct flag *flag)
{
    if (flag->value == NULL && flag->at < input->argc) {
        flag->value = input->argv[flag->at++];
    }
    return flag->value;
}

static const char *find_flag(const struct settings_input *input, const char *name)
{
    struct flag flag = {.at = 0};
    const char *found = NULL;
    while (flag_next(input, &flag)) {
        if (bytes_equal(flag.name, bytes_of_string(name))) {
            found = flag_value(input, &flag);
        }
    }
    return found;
}

static const struct settings_key *key_of_flag(struct bytes name)
{
    for (uint32_t i = 0; i < settings_table_count; i++) {
        if (settings_table[i].flag != NULL &&
            bytes_equal(name, bytes_of_string(settings_table[i].flag))) {
            return &settings_table[i];
        }
    }
    return NULL;
}

static void tell_unknown_flag(struct bytes name, struct settings_problems *problems)
{
    struct suggestion near = suggest(name);
    suggest_offer(&near, "--profile");
    suggest_offer(&near, "--config");
    suggest_offer(&near, "--set");
    for (uint32_t i = 0; i < settings_table_count; i++) {
        suggest_offer(&near, settings_table[i].flag != NULL ? settings_table[i].flag : "");
    }
    const bool found = near.best.len > 0;
    settings_problem(problems, "unknown argument '%.*s'%s%.*s%s", (int)name.len,
                     (const char *)name.ptr, found ? "; did you mean " : "", (int)near.best.len,
                     (const char *)near.best.ptr, found ? "?" : "");
}

static void set_assignment(struct settings *settings, const char *assignment,
                           struct settings_problems *problems)
{
    const char *equals = strchr(assignment, '=');
    if (equals == NULL) {
        settings_problem(problems, "--set: '%s' is not KEY=VALUE", assignment);
        return;
    }
    const struct bytes name = {(const uint8_t *)assignment, (uint32_t)(equals - assignment)};
    settings_set(settings, FROM_FLAG, "--set", name, bytes_of_string(equals + 1), problems);
}

static void set_flags(struct settings *settings, const struct settings_input *input,
                      struct settings_problems *problems)
{
    struct flag flag = {.at = 0};
    while (flag_next(input, &flag)) {
        const struct settings_key *key = key_of_flag(flag.name);
        const bool file = bytes_equal(flag.name, bytes_of_string("--profile")) ||
                          bytes_equal(flag.name, bytes_of_string("--config"));
        const bool assignment = bytes_equal(flag.name, bytes_of_string("--set"));
        if (key == NULL && !file && !assignment) {
            tell_unknown_flag(flag.name, problems);
            /* Its value is no argument of its own. */
            flag.at += flag.at < input->argc && strncmp(input->argv[flag.at], "--", 2) != 0;
        } else if (key != NULL && key->type == SETTINGS_SWITCH) {
            settings_set(settings, FROM_FLAG, key->flag, bytes_of_string(key->name),
                         bytes_of_string(flag.value != NULL ? flag.value : "true"), problems);
        } else if (flag_value(input, &flag) == NULL) {
            settings_problem(problems, "%.*s needs a value", (int)flag.name.len,
                             (const char *)flag.name.ptr);
        } else if (assignment) {
            set_assignment(settings, flag.value, problems);
        } else if (key != NULL) {
            settings_set(settings, FROM_FLAG, key->flag, bytes_of_string(key->name),
                         bytes_of_string(flag.value), problems);
        }
    }
}

/* ---- All sources ---------------------------------------------------------------------------- */

static void read_profile(struct settings *settings, const struct settings_input *input,
                         struct settings_problems *problems)
{
    const char *name = find_flag(input, "--profile");
    name = name != NULL ? name : variable_value(input, "MILLRACE_PROFILE");
    char path[4096];
    if (settings_profile_find(name != NULL ? name : "loopback", input->program_dir, path,
                              sizeof(path))) {
        settings->profile_path = settings_keep(settings, bytes_of_string(path));
        settings_read_file(settings, FROM_PROFILE, settings->profile_path, problems);
    } else if (name != NULL) {
        settings_problem(problems, "profile '%s' not found: %s", name, path);
    }
}

static void read_config(struct settings *settings, const struct settings_input *input,
                        struct settings_problems *problems)
{
    const char *path = find_flag(input, "--config");
    path = path != NULL ? path : variable_value(input, "MILLRACE_CONFIG");
    if (path != NULL) {
        settings->config_path = settings_keep(settings, bytes_of_string(path));
        settings_read_file(settings, FROM_FILE, settings->config_path, problems);
    }
}

static const struct settings_origin *origin_of(const struct settings *settings, const char *name)
{
    return &settings->origins[settings_key_find(bytes_of_string(name)) - settings_table];
}

static void check_exposed(const struct settings *settings, const char *name,
                          const struct host_port *address, struct settings_problems *problems)
{
    char room[268];
    if (!host_is_loopback(address->host) && !settings->network_insecure) {
        settings_problem(problems,
                         "%s %s is reachable from other machines and nobody has to authenticate; "
                         "--insecure says that this is wanted",
                         name, host_port_format(address, room));
    }
}

/* What several keys must fulfil together. */
static void check_together(struct settings *settings, struct settings_problems *problems)
{
    const uint32_t cpus = settings->cores_cpus.count;
    if (cpus > 0 && origin_of(settings, "cores.count")->source == FROM_DEFAULT) {
        settings->cores_count = cpus; /* One core on each CPU that is named. */
    }
    if (cpus > 0 && cpus != settings->cores_count) {
        settings_problem(problems, "cores.cpus names %u CPUs for cores.count %llu", cpus,
                         (unsigned long long)settings->cores_count);
    }
    if (settings->network_advertised.host[0] == '\0' &&
        host_is_name(settings->network_listen.host)) {
        settings->network_advertised = settings->network_listen; /* As Kafka: clients know it. */
    }
    check_exposed(settings, "network.listen", &settings->network_listen, problems);
    check_exposed(settings, "http.listen", &settings->http_listen, problems);
    const uint64_t cores_bytes =
        settings->cores_count * (settings->memory_arena_bytes + settings->memory_receive_bytes);
    if (cores_bytes > settings->memory_cap_bytes) {
        settings_problem(problems,
                         "memory.cap is %llu MiB, but the cores' memory.arena and memory.receive "
                         "take %llu MiB",
                         (unsigned long long)(settings->memory_cap_bytes >> 20),
                         (unsigned long long)(cores_bytes >> 20));
    }
    if (settings_kafka_number(settings, "log.retention.ms") == 0) {
        settings_problem(problems, "kafka: log.retention.ms must be -1 or at least 1");
    }
}

bool settings_load(struct settings *settings, const struct settings_input *input,
                   struct settings_problems *problems)
{
    *settings = (struct settings){0};
    problems->count = 0;
    problems->warnings = 0;
    set_defaults(settings);
    read_profile(settings, input, problems);
    read_config(settings, input, problems);
    set_environment(settings, input, problems);
    set_flags(settings, input, problems);
    if (problems->count == 0) {
        check_together(settings, problems);
    }
    return problems->count == 0;
}

/* ---- Kafka's keys --------------------------------------------------------------------------- */

const char *settings_kafka_set(void *settings, const char *name)
{
    const struct kafka_key *key = kafka_key_find(KAFKA_BROKER, bytes_of_string(name));
    ASSERT(key != NULL && "a key that is not in the table");
    uint32_t count = 0;
    return ((const struct settings *)settings)->kafka[key - kafka_keys(KAFKA_BROKER, &count)];
}

const char *settings_kafka(const struct settings *settings, const char *name)
{
    const struct kafka_key *key = kafka_key_find(KAFKA_BROKER, bytes_of_string(name));
    ASSERT(key != NULL && "a key that is not in the table");
    uint32_t count = 0;
    const char *set = settings->kafka[key - kafka_keys(KAFKA_BROKER, &count)];
    return set != NULL ? set : key->fallback;
}

int64_t settings_kafka_number(const struct settings *settings, const char *name)
{
    const struct kafka_key *key = kafka_key_find(KAFKA_BROKER, bytes_of_string(name));
    const char *text = settings_kafka(settings, name);
    struct kafka_value value = {.number = -1}; /* Kafka's null of a number means not limited. */
    struct kafka_key_error error;
    const bool good = text == NULL || kafka_key_check(key, bytes_of_string(text), &value, &error);
    ASSERT(good && "values are checked when they are set");
    return value.number;
}
