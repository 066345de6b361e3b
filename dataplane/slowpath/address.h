/* Addresses as text. Pure; any thread. */
#ifndef DATAPLANE_SLOWPATH_ADDRESS_H
#define DATAPLANE_SLOWPATH_ADDRESS_H

#include "dataplane/transport.h"

enum { ADDRESS_TEXT_BYTES = 48 };

/* Writes an address: dotted for mapped IPv4, else eight groups of hex. A view of text. */
struct bytes address_text(const struct network_address *address, char text[ADDRESS_TEXT_BYTES]);

#endif
