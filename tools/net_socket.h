/* Asks the running dataplane of a node on this machine over net.sock in its run directory. */
#ifndef TOOLS_NET_SOCKET_H
#define TOOLS_NET_SOCKET_H

#include "tools/cli.h"

/* Sends the question to the node of --data (or the usual directory). A descriptor to read the
 * answer from, the caller's; -1 after a message. */
int net_socket_ask(const struct cli_call *call, const char *question);

/* Prints the reason when an answer is {"error": ...}. True when it was one. */
bool net_socket_refused(const char *answer, size_t len);

#endif
