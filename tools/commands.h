/* The commands behind the table of tools/commands.c; each in the file of its name. */
#ifndef TOOLS_COMMANDS_H
#define TOOLS_COMMANDS_H

#include "tools/cli.h"

enum cli_exit up_run(const struct cli_call *call);
enum cli_exit down_run(const struct cli_call *call);
enum cli_exit status_run(const struct cli_call *call);
enum cli_exit doctor_run(const struct cli_call *call);
enum cli_exit tune_run(const struct cli_call *call);
enum cli_exit net_run(const struct cli_call *call);
enum cli_exit capture_run(const struct cli_call *call);
enum cli_exit topic_create_run(const struct cli_call *call);
enum cli_exit topic_list_run(const struct cli_call *call);
enum cli_exit topic_show_run(const struct cli_call *call);
enum cli_exit topic_set_run(const struct cli_call *call);
enum cli_exit topic_grow_run(const struct cli_call *call);
enum cli_exit topic_delete_run(const struct cli_call *call);
enum cli_exit group_list_run(const struct cli_call *call);
enum cli_exit group_show_run(const struct cli_call *call);
enum cli_exit group_seek_run(const struct cli_call *call);
enum cli_exit group_delete_run(const struct cli_call *call);
enum cli_exit txn_list_run(const struct cli_call *call);
enum cli_exit txn_show_run(const struct cli_call *call);
enum cli_exit txn_abort_run(const struct cli_call *call);
enum cli_exit produce_run(const struct cli_call *call);
enum cli_exit consume_run(const struct cli_call *call);
enum cli_exit log_dump_run(const struct cli_call *call);
enum cli_exit log_verify_run(const struct cli_call *call);
enum cli_exit log_seal_run(const struct cli_call *call);

#endif
