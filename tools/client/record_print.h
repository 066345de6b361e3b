/* Prints consumed records: by a format as kcat has it, or as one line of JSON each.
 *
 *   %t topic   %p partition   %o offset   %T timestamp in ms   %h headers "name=value,..."
 *   %k key     %K its bytes   %s value    %S its bytes         %% a percent sign
 *   \n \r \t \\ \xNN as in C. A null key or value prints nothing and counts -1.
 */
#ifndef TOOLS_CLIENT_RECORD_PRINT_H
#define TOOLS_CLIENT_RECORD_PRINT_H

#include <jansson.h>
#include <stdio.h>

#include "tools/client/consumer.h"

/* False when the format has an unknown % or \; *bad points at it. */
MUST_USE bool record_format_check(const char *format, const char **bad);

/* A format that record_format_check accepted. */
void record_print(FILE *out, const char *format, const struct consumer_record *record);

/* {"topic", "partition", "offset", "timestamp", "timestamp_type", "key", "value", "headers"}; bytes
 * that are not UTF-8 stand as "key_base64" and so on. NULL for want of memory; given. */
json_t *record_json(const struct consumer_record *record);

/* [{"key", "value"}...] of encoded headers. */
json_t *record_json_headers(struct bytes headers);

/* Sets name to the bytes as text, name_base64 when they are not UTF-8, or name to null. */
void record_json_bytes(json_t *object, const char *name, struct bytes bytes);

#endif
