#include "tools/net_socket.h"

#include <errno.h>
#include <jansson.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tools/node.h"

int net_socket_ask(const struct cli_call *call, const char *question)
{
    char data[NODE_PATH_BYTES];
    char run[NODE_PATH_BYTES];
    char line[256];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *given = cli_value_at(call, "--data", 0);
    if (given == NULL && !node_default_data(data)) {
        cli_error("say --data DIR: there is no home directory");
        return -1;
    }
    node_run_directory(given != NULL ? given : data, run);
    const int path_len = snprintf(address.sun_path, sizeof(address.sun_path), "%s/net.sock", run);
    const int line_len = snprintf(line, sizeof(line), "%s\n", question);
    if (path_len < 0 || (size_t)path_len >= sizeof(address.sun_path)) {
        cli_error("%s is too long for the name of a socket", run);
        return -1;
    }
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        cli_error("%s: %s", address.sun_path,
                  errno == ENOENT || errno == ECONNREFUSED
                      ? "nothing runs on this data directory; `millrace up` starts a node"
                      : strerror(errno));
    } else if (send(fd, line, (size_t)line_len, MSG_NOSIGNAL) == (ssize_t)line_len) {
        return fd;
    } else {
        cli_error("%s: %s", address.sun_path, strerror(errno));
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return -1;
}

bool net_socket_refused(const char *answer, size_t len)
{
    json_t *root = len > 0 && answer[0] == '{' ? json_loadb(answer, len, 0, NULL) : NULL;
    const char *reason = json_string_value(json_object_get(root, "error"));
    if (reason != NULL) {
        cli_error("%s", reason);
    }
    json_decref(root);
    return reason != NULL;
}
