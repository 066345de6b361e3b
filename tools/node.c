#include "tools/node.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

bool node_default_data(char room[NODE_PATH_BYTES])
{
    if (geteuid() == 0) {
        (void)snprintf(room, NODE_PATH_BYTES, "/var/lib/millrace");
        return true;
    }
    const char *base = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");
    if (base != NULL && base[0] == '/') {
        (void)snprintf(room, NODE_PATH_BYTES, "%s/millrace", base);
    } else if (home != NULL && home[0] == '/') {
        (void)snprintf(room, NODE_PATH_BYTES, "%s/.local/share/millrace", home);
    } else {
        return false;
    }
    return true;
}

void node_run_directory(const char *data, char room[NODE_PATH_BYTES])
{
    (void)snprintf(room, NODE_PATH_BYTES, "%s/.millrace", data);
}

bool node_make_directory(const char *path)
{
    char part[NODE_PATH_BYTES];
    const size_t len = strlen(path);
    if (len == 0 || len >= sizeof(part)) {
        errno = ENAMETOOLONG;
        return false;
    }
    for (size_t at = 1; at <= len; at++) {
        if (path[at] != '/' && path[at] != '\0') {
            continue;
        }
        memcpy(part, path, at);
        part[at] = '\0';
        if (mkdir(part, 0755) != 0 && errno != EEXIST) {
            return false;
        }
    }
    struct stat made;
    if (stat(path, &made) != 0) {
        return false;
    }
    errno = ENOTDIR;
    return S_ISDIR(made.st_mode);
}

/* Reads a small file whole; the length, or -1. */
static ssize_t read_small(const char *path, char *room, size_t size)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    const ssize_t len = read(fd, room, size - 1);
    (void)close(fd);
    room[len > 0 ? len : 0] = '\0';
    return len;
}

uint64_t node_process_start(pid_t pid)
{
    char path[64];
    char stat_line[1024];
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    if (pid <= 0 || read_small(path, stat_line, sizeof(stat_line)) <= 0) {
        return 0;
    }
    /* The name may hold blanks and brackets; fields count from behind its last bracket. */
    const char *at = strrchr(stat_line, ')');
    if (at == NULL || at[1] != ' ' || at[2] == 'Z' || at[2] == 'X') {
        return 0;
    }
    at += 2;
    for (int field = 3; field < 22; field++) {
        at = strchr(at, ' ');
        if (at == NULL) {
            return 0;
        }
        at++;
    }
    return strtoull(at, NULL, 10);
}

bool node_process_alive(const struct node_process *process)
{
    return process->pid > 0 && process->start_ticks != 0 &&
           node_process_start(process->pid) == process->start_ticks;
}

static json_t *process_json(const struct node_process *process)
{
    return json_pack("{s:s, s:i, s:I, s:I}", "name", process->name, "pid", (int)process->pid,
                     "start", (json_int_t)process->start_ticks, "starts",
                     (json_int_t)process->start_number);
}

bool node_state_write(const char *run_directory, const struct node_state *state)
{
    char path[NODE_PATH_BYTES + 16];
    char part[NODE_PATH_BYTES + 32];
    (void)snprintf(path, sizeof(path), "%s/state.json", run_directory);
    (void)snprintf(part, sizeof(part), "%s.part", path);
    json_t *data = json_array();
    for (uint32_t i = 0; i < state->data_count; i++) {
        (void)json_array_append_new(data, json_string(state->data[i]));
    }
    json_t *root = json_pack("{s:o, s:[o,o], s:s, s:s, s:s, s:s, s:o}", "supervisor",
                             process_json(&state->supervisor), "processes",
                             process_json(&state->process[0]), process_json(&state->process[1]),
                             "bootstrap", state->bootstrap, "http", state->http, "network_path",
                             state->network_path, "profile", state->profile, "data", data);
    const bool written = root != NULL && json_dump_file(root, part, JSON_INDENT(2)) == 0;
    json_decref(root);
    return written && rename(part, path) == 0;
}

static bool process_from(const json_t *json, struct node_process *process)
{
    const char *name = json_string_value(json_object_get(json, "name"));
    if (name == NULL) {
        return false;
    }
    (void)snprintf(process->name, sizeof(process->name), "%s", name);
    process->pid = (pid_t)json_integer_value(json_object_get(json, "pid"));
    process->start_ticks = (uint64_t)json_integer_value(json_object_get(json, "start"));
    process->start_number = (uint64_t)json_integer_value(json_object_get(json, "starts"));
    return true;
}

static bool text_from(const json_t *root, const char *key, char *room, size_t size)
{
    const char *text = json_string_value(json_object_get(root, key));
    return text != NULL && (size_t)snprintf(room, size, "%s", text) < size;
}

bool node_state_read(const char *run_directory, struct node_state *state)
{
    char path[NODE_PATH_BYTES + 16];
    (void)snprintf(path, sizeof(path), "%s/state.json", run_directory);
    *state = (struct node_state){0};
    json_t *root = json_load_file(path, 0, NULL);
    const json_t *processes = json_object_get(root, "processes");
    bool good = json_array_size(processes) == NODE_PROCESSES &&
                process_from(json_object_get(root, "supervisor"), &state->supervisor) &&
                text_from(root, "bootstrap", state->bootstrap, sizeof(state->bootstrap)) &&
                text_from(root, "http", state->http, sizeof(state->http)) &&
                text_from(root, "network_path", state->network_path, sizeof(state->network_path)) &&
                text_from(root, "profile", state->profile, sizeof(state->profile));
    for (size_t i = 0; good && i < NODE_PROCESSES; i++) {
        good = process_from(json_array_get(processes, i), &state->process[i]);
    }
    const json_t *data = json_object_get(root, "data");
    for (size_t i = 0; good && i < json_array_size(data) && i < SETTINGS_PATHS_MAX; i++) {
        const char *text = json_string_value(json_array_get(data, i));
        good = text != NULL;
        (void)snprintf(state->data[i], NODE_PATH_BYTES, "%s", good ? text : "");
        state->data_count++;
    }
    json_decref(root);
    return good;
}

void node_state_remove(const char *run_directory)
{
    char path[NODE_PATH_BYTES + 16];
    (void)snprintf(path, sizeof(path), "%s/state.json", run_directory);
    (void)unlink(path);
}

struct body {
    char text[4096];
    size_t len;
};

static size_t take_body(char *data, size_t size, size_t count, void *context)
{
    struct body *body = context;
    const size_t len = size * count;
    if (len > sizeof(body->text) - body->len) {
        return 0; /* More than /readyz ever says: ends the transfer. */
    }
    memcpy(body->text + body->len, data, len);
    body->len += len;
    return len;
}

/* What the answer says: ready only from the right process. */
static bool judge(const struct body *body, long status, pid_t control, char why[200])
{
    json_t *root = json_loadb(body->text, body->len, 0, NULL);
    const json_int_t pid = json_integer_value(json_object_get(root, "pid"));
    const char *reason = json_string_value(json_array_get(json_object_get(root, "reasons"), 0));
    if (status == 200 && pid != control) {
        (void)snprintf(why, 200, "process %lld answers at the HTTP address, not ours",
                       (long long)pid);
    } else if (status != 200) {
        (void)snprintf(why, 200, "%.190s", reason != NULL ? reason : "/readyz says no");
    }
    json_decref(root);
    return status == 200 && pid == control;
}

bool node_ready(const struct host_port *http, pid_t control, char why[200])
{
    struct host_port to = *http;
    char address[268];
    char url[300];
    static struct body body;
    if (strcmp(to.host, "0.0.0.0") == 0 || strcmp(to.host, "::") == 0) {
        (void)snprintf(to.host, sizeof(to.host), strchr(to.host, ':') ? "::1" : "127.0.0.1");
    }
    (void)snprintf(url, sizeof(url), "http://%s/readyz", host_port_format(&to, address));
    CURL *curl = curl_easy_init();
    if (curl == NULL) {
        (void)snprintf(why, 200, "no memory");
        return false;
    }
    long status = 0;
    body.len = 0;
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 1000L);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
    const CURLcode result = curl_easy_perform(curl);
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    if (result != CURLE_OK) {
        (void)snprintf(why, 200, "%.120s: %.70s", url, curl_easy_strerror(result));
        return false;
    }
    return judge(&body, status, control, why);
}

const char *node_program(void)
{
    static char path[NODE_PATH_BYTES];
    char here[NODE_PATH_BYTES];
    const ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
    path[len > 0 ? len : 0] = '\0';
    if (len <= 0 || strcmp(path, "/usr/bin/millrace") == 0 ||
        strcmp(path, "/usr/local/bin/millrace") == 0) {
        return "millrace";
    }
    if (getcwd(here, sizeof(here)) != NULL && strncmp(path, here, strlen(here)) == 0 &&
        path[strlen(here)] == '/') {
        return path + strlen(here) + 1;
    }
    return path;
}

void node_last_line(const char *path, off_t from, char *room, size_t size)
{
    static char tail[8192];
    room[0] = '\0';
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat file;
    if (fd < 0 || fstat(fd, &file) != 0) {
        return;
    }
    const off_t back = file.st_size - (off_t)sizeof(tail) + 1;
    const ssize_t len = pread(fd, tail, sizeof(tail) - 1, back > from ? back : from);
    (void)close(fd);
    if (len <= 0) {
        return;
    }
    tail[len] = '\0';
    char *rest = NULL;
    for (char *line = strtok_r(tail, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        (void)snprintf(room, size, "%s", line);
    }
}

json_t *node_json(const struct node_state *state, bool ready, const char *why)
{
    json_t *processes = json_array();
    for (size_t i = 0; i < NODE_PROCESSES; i++) {
        if (node_process_alive(&state->process[i])) {
            (void)json_array_append_new(processes,
                                        json_pack("{s:s, s:i, s:I}", "name", state->process[i].name,
                                                  "pid", (int)state->process[i].pid, "starts",
                                                  (json_int_t)state->process[i].start_number));
        }
    }
    json_t *data = json_array();
    for (uint32_t i = 0; i < state->data_count; i++) {
        (void)json_array_append_new(data, json_string(state->data[i]));
    }
    json_t *root = json_pack("{s:b, s:s, s:s, s:s, s:s, s:o, s:o, s:i}", "ready", ready,
                             "bootstrap", state->bootstrap, "http", state->http, "network_path",
                             state->network_path, "profile", state->profile, "data", data,
                             "processes", processes, "supervisor", (int)state->supervisor.pid);
    if (!ready) {
        (void)json_object_set_new(root, "reason", json_string(why));
    }
    return root;
}

void node_print(FILE *out, const struct node_state *state, bool ready, const char *why)
{
    const bool dpdk = strcmp(state->network_path, "dpdk") == 0;
    (void)fprintf(out, "millrace is %s at %s\n", ready ? "ready" : "not ready", state->bootstrap);
    if (!ready) {
        (void)fprintf(out, "  reason   %s\n", why);
    }
    (void)fprintf(out, "  network  %s\n",
                  dpdk ? "dpdk: a NIC of our own"
                       : "sockets: kernel sockets through io_uring, no NIC taken");
    (void)fprintf(out, "  profile  %s\n", state->profile);
    for (uint32_t i = 0; i < state->data_count; i++) {
        (void)fprintf(out, "  data     %s\n", state->data[i]);
    }
    (void)fprintf(out, "  metrics  http://%s/metrics\n", state->http);
    for (size_t i = 0; i < NODE_PROCESSES; i++) {
        const struct node_process *process = &state->process[i];
        (void)fprintf(out, "  process  %s %s %d\n", process->name,
                      node_process_alive(process) ? "pid" : "not running, last pid",
                      (int)process->pid);
    }
}
