#include "control/http/server.h"

#include <jansson.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    HTTP_CONNECTIONS_MAX = 64,
    HTTP_IDLE_SECONDS = 30,
};

struct http_server {
    struct MHD_Daemon *daemon;
    struct view *view;
};

/* ---- Answers -------------------------------------------------------------------------------- */

static void json_page(struct page *page, json_t *root)
{
    char *text = root == NULL ? NULL : json_dumps(root, JSON_COMPACT | JSON_PRESERVE_ORDER);
    if (text == NULL) {
        page->failed = true;
    } else {
        page_add(page, "%s\n", text);
    }
    free(text);
    json_decref(root);
}

static unsigned readyz(const struct control_status *status, struct page *page)
{
    const bool ready = status->phase == CONTROL_READY;
    json_t *reasons = json_array();
    if (!ready) {
        const char *reason =
            status->reason[0] != '\0' ? status->reason : control_phase_name(status->phase);
        (void)json_array_append_new(reasons, json_string(reason));
    }
    json_page(page, json_pack("{s:b,s:s,s:i,s:o,s:I,s:I,s:I,s:I}", "ready", ready ? 1 : 0, "phase",
                              control_phase_name(status->phase), "pid", (int)getpid(), "reasons",
                              reasons, "topics", (json_int_t)status->topics, "partitions",
                              (json_int_t)status->partitions, "partitions_offline",
                              (json_int_t)status->partitions_offline, "directories_failed",
                              (json_int_t)status->directories_failed));
    return ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
}

static unsigned metrics(const struct control_status *status, struct view *view, struct page *page)
{
    struct statistics_share *share = view_get_statistics(view);
    const struct statistics *statistics = NULL;
    if (share != NULL && statistics_valid(share->memory, share->bytes)) {
        statistics = share->memory;
    }
    metrics_render(page, status, statistics);
    if (share != NULL) {
        view_release(share);
    }
    struct lag_report *lag = view_get_lag(view);
    if (lag != NULL) {
        metrics_lag_render(page, lag);
        lag_report_release(lag);
    }
    return MHD_HTTP_OK;
}

unsigned http_answer(const char *path, struct view *view, struct page *page,
                     const char **content_type)
{
    struct control_status status;
    view_get_status(view, &status);
    *content_type = "application/json";
    if (strcmp(path, "/livez") == 0) {
        json_page(page, json_pack("{s:b}", "live", 1));
        return MHD_HTTP_OK;
    }
    if (strcmp(path, "/readyz") == 0) {
        return readyz(&status, page);
    }
    if (strcmp(path, "/metrics") == 0) {
        *content_type = "text/plain; version=0.0.4; charset=utf-8";
        return metrics(&status, view, page);
    }
    json_page(page, json_pack("{s:s}", "error", "there are /metrics, /livez and /readyz"));
    return MHD_HTTP_NOT_FOUND;
}

static enum MHD_Result request_take(void *context, struct MHD_Connection *connection,
                                    const char *url, const char *method, const char *version,
                                    const char *upload, size_t *upload_bytes, void **state)
{
    (void)version;
    (void)upload;
    (void)upload_bytes;
    (void)state;
    const struct http_server *server = context;
    struct page page = {0};
    const char *content_type = "application/json";
    unsigned code = MHD_HTTP_METHOD_NOT_ALLOWED;
    if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0) {
        code = http_answer(url, server->view, &page, &content_type);
    } else {
        page_add(&page, "{\"error\":\"only GET\"}\n");
    }
    if (page.failed) { /* The connection ends without an answer. */
        page_free(&page);
        return MHD_NO;
    }
    struct MHD_Response *response =
        MHD_create_response_from_buffer(page.len, page.text, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        page_free(&page);
        return MHD_NO;
    }
    enum MHD_Result result =
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    if (result == MHD_YES) {
        result = MHD_queue_response(connection, code, response);
    }
    MHD_destroy_response(response);
    return result;
}

/* ---- Life ----------------------------------------------------------------------------------- */

static struct MHD_Daemon *daemon_start(struct http_server *server, const struct addrinfo *address)
{
    const unsigned flags = (unsigned)MHD_USE_INTERNAL_POLLING_THREAD | (unsigned)MHD_USE_AUTO |
                           (address->ai_family == AF_INET6 ? (unsigned)MHD_USE_IPv6 : 0u);
    return MHD_start_daemon(flags, 0, NULL, NULL, request_take, server, MHD_OPTION_SOCK_ADDR,
                            address->ai_addr, MHD_OPTION_CONNECTION_LIMIT,
                            (unsigned)HTTP_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
                            (unsigned)HTTP_IDLE_SECONDS, MHD_OPTION_END);
}

struct http_server *http_server_start(const struct host_port *listen, struct view *view,
                                      char *reason, size_t reason_bytes)
{
    char shown[268];
    char port[8];
    struct addrinfo *found = NULL;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct http_server *server = calloc(1, sizeof(*server));
    ASSERT(server != NULL);
    server->view = view;
    (void)snprintf(port, sizeof(port), "%u", listen->port);
    const int result =
        getaddrinfo(listen->host[0] == '\0' ? NULL : listen->host, port, &hints, &found);
    if (result == 0) {
        server->daemon = daemon_start(server, found);
        freeaddrinfo(found);
    }
    if (server->daemon == NULL) {
        (void)snprintf(reason, reason_bytes,
                       "cannot serve HTTP on %s: %s (another address: --http HOST:PORT)",
                       host_port_format(listen, shown),
                       result != 0 ? gai_strerror(result) : "the address is in use or not ours");
        free(server);
        return NULL;
    }
    return server;
}

void http_server_stop(struct http_server *server)
{
    MHD_stop_daemon(server->daemon);
    free(server);
}

uint16_t http_server_port(const struct http_server *server)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT);
    return info == NULL ? 0 : info->port;
}
