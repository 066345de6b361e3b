/* Kafka's broker keys whose value another section of the configuration file gives. Pure. */
#ifndef CONTROL_CONFIG_NODE_H
#define CONTROL_CONFIG_NODE_H

#include "control/config/resolve.h"

enum { CONFIG_NODE_VALUE_BYTES = SETTINGS_PATHS_MAX * 1025 };

/* The value as Kafka would write it, in room; NULL: the key is not one of these. */
const char *config_node_value(const struct config_view *view, const char *name,
                              char room[CONFIG_NODE_VALUE_BYTES]);

#endif
