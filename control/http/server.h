/* HTTP for operators: /metrics, /livez, /readyz. Own threads; never touches the control loop. */
#ifndef CONTROL_HTTP_SERVER_H
#define CONTROL_HTTP_SERVER_H

#include "control/http/metrics.h"
#include "control/http/view.h"
#include "dataplane/profile/settings.h"

struct http_server;

/* view is borrowed. NULL: reason holds one sentence. */
struct http_server *http_server_start(const struct host_port *listen, struct view *view,
                                      char *reason, size_t reason_bytes);
void http_server_stop(struct http_server *server);

/* The port listened on. */
uint16_t http_server_port(const struct http_server *server);

/* What a path answers: fills the page, returns the status code. */
unsigned http_answer(const char *path, struct view *view, struct page *page,
                     const char **content_type);

#endif
