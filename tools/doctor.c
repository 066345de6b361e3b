#include "tools/doctor.h"

#include <jansson.h>
#include <stdarg.h>

#include "tools/commands.h"
#include "tools/configure.h"
#include "tools/node.h"

static const char *const severity_names[] = {"ok", "info", "warning", "error"};

struct doctor_finding *doctor_add(struct doctor *doctor, const char *id,
                                  enum doctor_severity severity, const char *what)
{
    ASSERT(doctor->count < DOCTOR_FINDINGS_MAX);
    struct doctor_finding *finding = &doctor->finding[doctor->count++];
    *finding = (struct doctor_finding){.severity = severity};
    (void)snprintf(finding->id, sizeof(finding->id), "%s", id);
    (void)snprintf(finding->what, sizeof(finding->what), "%s", what);
    return finding;
}

void doctor_observed(struct doctor_finding *finding, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(finding->observed, sizeof(finding->observed), format, arguments);
    va_end(arguments);
}

void doctor_needed(struct doctor_finding *finding, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(finding->needed, sizeof(finding->needed), format, arguments);
    va_end(arguments);
}

void doctor_fix(struct doctor_finding *finding, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(finding->fix, sizeof(finding->fix), format, arguments);
    va_end(arguments);
}

void doctor_command(struct doctor_finding *finding, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(finding->fix, sizeof(finding->fix), format, arguments);
    va_end(arguments);
    finding->is_command = true;
}

static uint32_t count_of(const struct doctor *doctor, enum doctor_severity severity)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < doctor->count; i++) {
        count += doctor->finding[i].severity == severity;
    }
    return count;
}

static void print_json(const struct doctor *doctor)
{
    json_t *findings = json_array();
    for (uint32_t i = 0; i < doctor->count; i++) {
        const struct doctor_finding *finding = &doctor->finding[i];
        (void)json_array_append_new(findings,
                                    json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "id", finding->id,
                                              "severity", severity_names[finding->severity], "what",
                                              finding->what, "observed", finding->observed,
                                              "needed", finding->needed, "fix", finding->fix));
    }
    json_t *root = json_pack("{s:o, s:i, s:i}", "findings", findings, "errors",
                             (int)count_of(doctor, DOCTOR_ERROR), "warnings",
                             (int)count_of(doctor, DOCTOR_WARNING));
    (void)json_dumpf(root, stdout, JSON_INDENT(2));
    (void)putchar('\n');
    json_decref(root);
}

static void print_text(const struct doctor *doctor)
{
    for (uint32_t i = 0; i < doctor->count; i++) {
        const struct doctor_finding *finding = &doctor->finding[i];
        (void)printf("%-15s %-8s %s: %s\n", finding->id, severity_names[finding->severity],
                     finding->what, finding->observed);
        if (finding->severity != DOCTOR_OK) {
            (void)printf("%-24s needed: %s\n%-24s fix: %s\n", "", finding->needed, "",
                         finding->fix);
        }
    }
    (void)printf("%u errors, %u warnings\n", count_of(doctor, DOCTOR_ERROR),
                 count_of(doctor, DOCTOR_WARNING));
}

static void add_problems(struct doctor *doctor, const struct configuration *configuration)
{
    const struct settings_problems *problems = &configuration->problems;
    for (uint32_t i = 0; i < problems->count + problems->warnings; i++) {
        const bool error = i < problems->count;
        struct doctor_finding *finding =
            doctor_add(doctor, "MR-CONFIG-001", error ? DOCTOR_ERROR : DOCTOR_WARNING,
                       "the configuration is right");
        doctor_observed(finding, "%.150s",
                        error ? problems->error[i] : problems->warning[i - problems->count]);
        doctor_needed(finding, "keys and values of hw-profiles/README.md");
        doctor_fix(finding, "correct that line or flag");
    }
}

enum cli_exit doctor_run(const struct cli_call *call)
{
    static struct configuration configuration;
    static struct doctor doctor;
    static struct node_state state;
    const bool good = configure(call, &configuration);
    doctor.settings = &configuration.settings;
    add_problems(&doctor, &configuration);
    if (good) {
        doctor.node_runs = node_state_read(configuration.run_directory, &state) &&
                           node_process_alive(&state.process[0]);
        doctor_ring(&doctor);
        doctor_disk(&doctor);
        doctor_host(&doctor);
    }
    if (call->json) {
        print_json(&doctor);
    } else {
        print_text(&doctor);
    }
    if (count_of(&doctor, DOCTOR_ERROR) > 0) {
        return CLI_FAILED;
    }
    return count_of(&doctor, DOCTOR_WARNING) > 0 ? CLI_WARNINGS : CLI_OK;
}
