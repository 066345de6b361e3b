#include "tools/bench/report.h"

#include "dataplane/kafka/errors.h"

#define LOAD_IS_LIMIT_SHARE 0.95

struct figures {
    double seconds, mb_per_s, requests_per_s, cpu_s_per_gb, cpu_us_per_request, pid_s_per_gb;
    double load_share, device_ratio;
};

static double ratio(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

static struct figures figures_of(const struct report *report)
{
    const struct usage *before = &report->before;
    const struct usage *after = &report->after;
    const double load = after->load_seconds - before->load_seconds;
    double broker = after->busy_seconds - before->busy_seconds - load;
    broker = broker < 0 ? 0 : broker;
    const double payload = (double)report->payload_bytes;
    struct figures figures = {.seconds = (double)(after->at_ns - before->at_ns) / 1e9};
    figures.mb_per_s = ratio(payload / 1e6, figures.seconds);
    figures.requests_per_s = ratio((double)report->requests, figures.seconds);
    figures.cpu_s_per_gb = ratio(broker, payload / 1e9);
    figures.cpu_us_per_request = ratio(broker * 1e6, (double)report->requests);
    figures.pid_s_per_gb = ratio(after->pid_seconds - before->pid_seconds, payload / 1e9);
    figures.load_share = ratio(load, figures.seconds);
    figures.device_ratio =
        ratio((double)(after->device_bytes_written - before->device_bytes_written), payload);
    return figures;
}

static double percentile_us(const struct report *report, uint32_t percent_x1000)
{
    return (double)histogram_percentile(&report->latency_ns, percent_x1000) / 1e3;
}

/* An open loop polls and so always uses its CPU: there the achieved rate tells. */
static bool load_is_limit(const struct report *report, const struct figures *figures)
{
    return figures->load_share > LOAD_IS_LIMIT_SHARE && report->offered == 0;
}

static void print_json(const struct report *report, const struct figures *figures)
{
    (void)printf("{\"kind\":\"%s\",\"seconds\":%.3f,\"requests\":%llu,\"records\":%llu,"
                 "\"payload_bytes\":%llu,\"mb_per_s\":%.2f,\"requests_per_s\":%.1f,"
                 "\"offered\":%llu,\"cpu_s_per_gb\":%.4f,\"cpu_us_per_request\":%.3f,"
                 "\"process_cpu_s_per_gb\":%.4f,\"load_cpu_share\":%.3f,\"load_is_limit\":%s,",
                 report->kind, figures->seconds, (unsigned long long)report->requests,
                 (unsigned long long)report->records, (unsigned long long)report->payload_bytes,
                 figures->mb_per_s, figures->requests_per_s, (unsigned long long)report->offered,
                 figures->cpu_s_per_gb, figures->cpu_us_per_request, figures->pid_s_per_gb,
                 figures->load_share, load_is_limit(report, figures) ? "true" : "false");
    if (report->after.has_device) {
        (void)printf("\"device_bytes_per_payload_byte\":%.4f,", figures->device_ratio);
    }
    (void)printf("\"latency_us\":{\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"p99.9\":%.1f,"
                 "\"p99.99\":%.1f,\"max\":%.1f},\"errors\":%llu,\"verified_bytes\":%llu,"
                 "\"verified\":%s}\n",
                 percentile_us(report, 50000), percentile_us(report, 90000),
                 percentile_us(report, 99000), percentile_us(report, 99900),
                 percentile_us(report, 99990), (double)report->latency_ns.max / 1e3,
                 (unsigned long long)report->errors, (unsigned long long)report->verified_bytes,
                 report->verify_failed ? "false" : "true");
}

static void print_text(const struct report *report, const struct figures *figures)
{
    (void)printf("%-10s %.1f MB/s, %.0f requests/s, %llu requests in %.2f s\n", report->kind,
                 figures->mb_per_s, figures->requests_per_s, (unsigned long long)report->requests,
                 figures->seconds);
    if (report->offered > 0) {
        (void)printf("offered    %llu requests, achieved %.2f%%\n",
                     (unsigned long long)report->offered,
                     100.0 * ratio((double)report->requests, (double)report->offered));
    }
    (void)printf("latency    p50 %.1f  p90 %.1f  p99 %.1f  p99.9 %.1f  p99.99 %.1f  max %.1f us\n",
                 percentile_us(report, 50000), percentile_us(report, 90000),
                 percentile_us(report, 99000), percentile_us(report, 99900),
                 percentile_us(report, 99990), (double)report->latency_ns.max / 1e3);
    (void)printf("broker cpu %.3f s/GB, %.2f us/request (all CPUs less the load)\n",
                 figures->cpu_s_per_gb, figures->cpu_us_per_request);
    if (report->after.has_device) {
        (void)printf("device     %.3f bytes written per payload byte\n", figures->device_ratio);
    }
    if (load_is_limit(report, figures)) {
        (void)printf("note       the load generator used %.0f%% of a CPU: it is the limit\n",
                     100 * figures->load_share);
    }
    (void)printf("verified   %llu bytes%s\n", (unsigned long long)report->verified_bytes,
                 report->verify_failed ? ": WRONG" : "");
}

int report_print(const struct report *report, const struct bench_options *options)
{
    const struct figures figures = figures_of(report);
    if (options->json) {
        print_json(report, &figures);
    } else {
        print_text(report, &figures);
    }
    if (report->errors > 0) {
        (void)fprintf(stderr, "bench: %llu requests failed, the first with %s\n",
                      (unsigned long long)report->errors, error_name(report->first_error));
    }
    if (report->verify_failed) {
        (void)fprintf(stderr, "bench: %s\n", report->verify_note);
    }
    return report->errors > 0 || report->verify_failed ? 1 : 0;
}
