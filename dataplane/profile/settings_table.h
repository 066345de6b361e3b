/* The table of configuration keys; private to dataplane/profile and its tests. */
#ifndef DATAPLANE_PROFILE_SETTINGS_TABLE_H
#define DATAPLANE_PROFILE_SETTINGS_TABLE_H

#include "dataplane/profile/settings.h"

enum settings_type {
    SETTINGS_COUNT,    /* uint64_t, a plain number */
    SETTINGS_SIZE,     /* uint64_t bytes; a unit must be written */
    SETTINGS_SWITCH,   /* bool; true or false */
    SETTINGS_CHOICE,   /* uint32_t, position in choices */
    SETTINGS_ADDRESS,  /* struct host_port */
    SETTINGS_PATHS,    /* struct settings_paths; a repeated flag adds */
    SETTINGS_CPU_LIST, /* struct settings_cpus, "2-9,12" */
    SETTINGS_STRING,   /* const char * */
};

struct settings_key {
    const char *name; /* "section.key" */
    const char *flag; /* "--listen", or NULL: then --set section.key=value */
    enum settings_type type;
    uint64_t min;
    uint64_t max;
    const char *unit;    /* For the reference; "" where there is none. */
    const char *choices; /* "a, b, c" */
    const char *fallback;
    size_t offset;      /* In struct settings. */
    const char *reader; /* Which process reads it. */
    const char *doc;
};

extern const struct settings_key settings_table[];
extern const uint32_t settings_table_count;

/* NULL when there is no such key. */
const struct settings_key *settings_key_find(struct bytes name);

/* Parses text into the key's field.
 *
 * keep   copies text that the field points to, with the settings as owner.
 * error  filled when false is returned: what is wrong with the value, without its place.
 */
MUST_USE bool settings_value_parse(struct settings *settings, const struct settings_key *key,
                                   struct bytes text, char error[300]);

/* A copy of text, freed by settings_free. */
const char *settings_keep(struct settings *settings, struct bytes text);

__attribute__((format(printf, 2, 3))) void settings_problem(struct settings_problems *problems,
                                                            const char *format, ...);
__attribute__((format(printf, 2, 3))) void settings_warning(struct settings_problems *problems,
                                                            const char *format, ...);

/* Sets a key by its full name ("cores.count", "kafka.log.retention.ms") from text that stands at
 * `where`; an unknown name or a bad value becomes a problem. */
void settings_set(struct settings *settings, enum settings_source source, const char *where,
                  struct bytes name, struct bytes text, struct settings_problems *problems);

/* Reads a YAML file of sections into settings. */
void settings_read_file(struct settings *settings, enum settings_source source, const char *path,
                        struct settings_problems *problems);

#endif
