#include <errno.h>
#include <libfyaml.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/profile/settings_table.h"
#include "storage/base/text.h"

/* One file being read. */
struct reading {
    struct settings *settings;
    struct settings_problems *problems;
    enum settings_source source;
    const char *path;
};

/* libfyaml's own complaint, its first line is enough. */
struct complaint {
    char line[300];
    size_t len;
};

static void complaint_take(struct fy_diag *diag, void *user, const char *buffer, size_t len)
{
    (void)diag;
    struct complaint *complaint = user;
    for (size_t i = 0; i < len && complaint->len + 1 < sizeof(complaint->line); i++) {
        if (buffer[i] == '\n') {
            complaint->len = sizeof(complaint->line); /* Closed: the rest is not wanted. */
            return;
        }
        complaint->line[complaint->len++] = buffer[i];
        complaint->line[complaint->len] = '\0';
    }
}

/* "file:line:column" of a scalar; of other nodes the file alone. */
static void place(const struct reading *reading, struct fy_node *node, char where[512])
{
    struct fy_token *token = node != NULL ? fy_node_get_scalar_token(node) : NULL;
    const struct fy_mark *mark = token != NULL ? fy_token_start_mark(token) : NULL;
    if (mark == NULL) {
        (void)snprintf(where, 512, "%s", reading->path);
    } else {
        (void)snprintf(where, 512, "%s:%d:%d", reading->path, mark->line + 1, mark->column + 1);
    }
}

static struct bytes scalar(struct fy_node *node)
{
    size_t len = 0;
    const char *text = node != NULL ? fy_node_get_scalar(node, &len) : NULL;
    return (struct bytes){(const uint8_t *)text, (uint32_t)len};
}

/* Scalars as they are, a sequence of scalars by commas. */
static bool value_text(struct fy_node *value, struct text *out)
{
    if (value == NULL) {
        return false;
    }
    if (fy_node_is_scalar(value)) {
        text_bytes(out, scalar(value));
        return !out->full;
    }
    if (!fy_node_is_sequence(value)) {
        return false;
    }
    void *at = NULL;
    struct fy_node *item;
    bool first = true;
    while ((item = fy_node_sequence_iterate(value, &at)) != NULL) {
        if (!fy_node_is_scalar(item)) {
            return false;
        }
        text_string(out, first ? "" : ",");
        text_bytes(out, scalar(item));
        first = false;
    }
    return !out->full;
}

static void read_value(const struct reading *reading, const char *section, struct fy_node *name,
                       struct fy_node *value)
{
    char where[512];
    char full_name[300];
    char room[6144];
    struct text key;
    struct text text;
    place(reading, name, where);
    text_init(&key, full_name, sizeof(full_name));
    text_string(&key, section);
    text_string(&key, section[0] != '\0' ? "." : "");
    text_bytes(&key, scalar(name));
    text_init(&text, room, sizeof(room));
    if (!value_text(value, &text)) {
        settings_problem(reading->problems, "%s: '%s' needs a value or a list of values", where,
                         full_name);
        return;
    }
    settings_set(reading->settings, reading->source, where, text_view(&key), text_view(&text),
                 reading->problems);
}

static void read_section(const struct reading *reading, struct fy_node *name,
                         struct fy_node *values)
{
    char section[64];
    char where[512];
    const struct bytes text = scalar(name);
    (void)snprintf(section, sizeof(section), "%.*s", (int)text.len,
                   text.ptr == NULL ? "" : (const char *)text.ptr);
    place(reading, name, where);
    void *at = NULL;
    struct fy_node_pair *pair;
    while ((pair = fy_node_mapping_iterate(values, &at)) != NULL) {
        struct fy_node *key = fy_node_pair_key(pair);
        if (key == NULL || !fy_node_is_scalar(key)) {
            settings_problem(reading->problems, "%s: a key in '%s' is not a word", where, section);
        } else {
            read_value(reading, section, key, fy_node_pair_value(pair));
        }
    }
}

static void read_document(const struct reading *reading, struct fy_node *root)
{
    if (!fy_node_is_mapping(root)) {
        settings_problem(reading->problems, "%s: must hold sections such as 'cores:'",
                         reading->path);
        return;
    }
    void *at = NULL;
    struct fy_node_pair *pair;
    while ((pair = fy_node_mapping_iterate(root, &at)) != NULL) {
        struct fy_node *key = fy_node_pair_key(pair);
        struct fy_node *value = fy_node_pair_value(pair);
        if (value != NULL && fy_node_is_mapping(value)) {
            read_section(reading, key, value);
        } else {
            read_value(reading, "", key, value);
        }
    }
}

void settings_read_file(struct settings *settings, enum settings_source source, const char *path,
                        struct settings_problems *problems)
{
    const struct reading reading = {settings, problems, source, path};
    struct complaint complaint = {{0}, 0};
    struct fy_diag_cfg said;
    fy_diag_cfg_default(&said);
    said.fp = NULL;
    said.output_fn = complaint_take;
    said.user = &complaint;
    said.colorize = false;
    said.level = FYET_ERROR;
    struct stat file;
    errno = 0;
    if (access(path, R_OK) != 0 || stat(path, &file) != 0 || S_ISDIR(file.st_mode)) {
        settings_problem(problems, "%s: %s", path, errno != 0 ? strerror(errno) : "is a directory");
        return;
    }
    struct fy_diag *diag = fy_diag_create(&said);
    const struct fy_parse_cfg parse = {.flags = FYPCF_DEFAULT_DOC, .diag = diag};
    struct fy_document *document = fy_document_build_from_file(&parse, path);
    /* Of a file without content libfyaml complains, too, but without naming a place in it. */
    if (strncmp(complaint.line, path, strlen(path)) == 0) {
        settings_problem(problems, "%s", complaint.line);
    } else if (document != NULL && fy_document_root(document) != NULL) {
        read_document(&reading, fy_document_root(document));
    }
    fy_document_destroy(document);
    fy_diag_destroy(diag);
}

bool settings_profile_find(const char *name_or_path, const char *program_dir, char *room,
                           size_t size)
{
    const size_t len = strlen(name_or_path);
    const bool is_path = strchr(name_or_path, '/') != NULL ||
                         (len > 5 && strcmp(name_or_path + len - 5, ".yaml") == 0);
    if (is_path) {
        (void)snprintf(room, size, "%s", name_or_path);
        return access(room, R_OK) == 0;
    }
    /* In a build directory the profiles lie some levels above the binary. */
    static const char *const ups[] = {"", "/..", "/../..", "/../../..", "/../share/millrace"};
    for (size_t i = 0; i < ARRAY_SIZE(ups) && program_dir != NULL; i++) {
        (void)snprintf(room, size, "%s%s/hw-profiles/%s.yaml", program_dir, ups[i], name_or_path);
        char *real = access(room, R_OK) == 0 ? realpath(room, NULL) : NULL;
        if (real != NULL) {
            (void)snprintf(room, size, "%s", real);
            free(real);
            return true;
        }
    }
    (void)snprintf(room, size, "/usr/share/millrace/hw-profiles/%s.yaml", name_or_path);
    if (access(room, R_OK) == 0) {
        return true;
    }
    (void)snprintf(room, size, "no hw-profiles/%s.yaml above %s or in /usr/share/millrace",
                   name_or_path, program_dir != NULL ? program_dir : "the program");
    return false;
}

bool settings_program_dir(char *room, size_t size)
{
    const ssize_t len = readlink("/proc/self/exe", room, size - 1);
    if (len <= 0) {
        return false;
    }
    room[len] = '\0';
    char *slash = strrchr(room, '/');
    if (slash == NULL) {
        return false;
    }
    *slash = '\0';
    return true;
}
