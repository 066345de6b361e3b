#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "dataplane/mail/mail.h"

enum {
    CORES = 4,
    ROUND_TRIPS = 20000, /* Per core, to each other core. */
    IN_FLIGHT = 64,
};

static struct mail *mail_make(uint32_t core_count)
{
    const uint64_t size = round_up(mail_size(core_count), RING_LINE_BYTES);
    void *memory = aligned_alloc(RING_LINE_BYTES, size);
    memset(memory, 0, size);
    return mail_init(memory, core_count);
}

static void messages_of_one_sender_arrive_in_order_and_say_who_sent_them(void **state)
{
    (void)state;
    struct mail *mail = mail_make(3);
    struct mail_message messages[10] = {0};
    for (uint16_t i = 0; i < 10; i++) {
        messages[i].kind = i;
        mail_post(mail_box(mail, 2), 1, &messages[i]);
    }
    assert_null(mail_receive(mail_box(mail, 1))); /* Not before the flush. */
    assert_int_equal(mail_flush(mail_box(mail, 2)), 0);
    for (uint16_t i = 0; i < 10; i++) {
        struct mail_message *message = mail_receive(mail_box(mail, 1));
        assert_ptr_equal(message, &messages[i]);
        assert_int_equal(message->from, 2);
    }
    assert_null(mail_receive(mail_box(mail, 1)));
    assert_null(mail_receive(mail_box(mail, 0)));
    free(mail);
}

static void a_core_may_write_to_itself(void **state)
{
    (void)state;
    struct mail *mail = mail_make(1);
    struct mail_message message = {.kind = 7};
    mail_post(mail_box(mail, 0), 0, &message);
    assert_int_equal(mail_flush(mail_box(mail, 0)), 0);
    assert_false(mail_sleep_begin(mail_box(mail, 0)));
    mail_sleep_end(mail_box(mail, 0));
    assert_ptr_equal(mail_receive(mail_box(mail, 0)), &message);
    free(mail);
}

static void more_than_a_ring_full_waits_and_keeps_its_order(void **state)
{
    (void)state;
    const uint32_t count = MAIL_RING_SLOTS * 3;
    struct mail *mail = mail_make(2);
    struct mail_message *messages = calloc(count, sizeof(*messages));
    for (uint32_t i = 0; i < count; i++) {
        messages[i].kind = (uint16_t)i;
        mail_post(mail_box(mail, 0), 1, &messages[i]);
    }
    uint32_t received = 0;
    while (received < count) {
        assert_int_equal(mail_flush(mail_box(mail, 0)), 0);
        const bool unsent = mail_unsent(mail_box(mail, 0));
        assert_int_equal(unsent, count - received > MAIL_RING_SLOTS);
        if (unsent) {
            assert_false(mail_sleep_begin(mail_box(mail, 0)));
            mail_sleep_end(mail_box(mail, 0));
        }
        struct mail_message *message;
        while ((message = mail_receive(mail_box(mail, 1))) != NULL) {
            assert_int_equal(message->kind, (uint16_t)received);
            received++;
        }
    }
    assert_int_equal(mail_counters(mail_box(mail, 0))->ring_full, 2);
    free(messages);
    free(mail);
}

static void a_busy_sender_does_not_starve_another(void **state)
{
    (void)state;
    struct mail *mail = mail_make(3);
    struct mail_message many[100] = {0};
    struct mail_message one = {.kind = 1};
    for (int i = 0; i < 100; i++) {
        mail_post(mail_box(mail, 0), 2, &many[i]);
    }
    mail_post(mail_box(mail, 1), 2, &one);
    assert_int_equal(mail_flush(mail_box(mail, 0)), 0);
    assert_int_equal(mail_flush(mail_box(mail, 1)), 0);
    bool found = false;
    for (int i = 0; i < 17; i++) {
        found |= mail_receive(mail_box(mail, 2)) == &one;
    }
    assert_true(found);
    free(mail);
}

static void a_sleeper_is_woken_once_for_many_messages(void **state)
{
    (void)state;
    struct mail *mail = mail_make(3);
    struct mail_message messages[4] = {0};
    assert_true(mail_sleep_begin(mail_box(mail, 1)));
    mail_post(mail_box(mail, 0), 1, &messages[0]);
    mail_post(mail_box(mail, 0), 1, &messages[1]);
    assert_int_equal(mail_flush(mail_box(mail, 0)), 1u << 1);
    mail_post(mail_box(mail, 0), 1, &messages[2]);
    assert_int_equal(mail_flush(mail_box(mail, 0)), 0);
    mail_post(mail_box(mail, 2), 1, &messages[3]);
    assert_int_equal(mail_flush(mail_box(mail, 2)), 0);
    mail_sleep_end(mail_box(mail, 1));
    assert_false(mail_sleep_begin(mail_box(mail, 1)));
    mail_sleep_end(mail_box(mail, 1));
    assert_false(mail_wake_take(mail_box(mail, 1)));
    free(mail);
}

/* ---- Cores as threads: everybody asks everybody, everybody answers ---- */

struct letter {
    struct mail_message message;
    uint64_t number; /* Plain: only mail orders it. */
    bool answered;
};

struct post_office {
    struct mail *mail;
    _Atomic uint32_t bells[CORES];
    _Atomic uint32_t finished;
};

struct post_core {
    struct post_office *office;
    uint32_t core;
    uint64_t errors;
};

static void bells_ring(struct post_office *office, uint64_t sleepers)
{
    for (; sleepers != 0; sleepers &= sleepers - 1) {
        atomic_fetch_add(&office->bells[__builtin_ctzll(sleepers)], 1);
    }
}

static void post_sleep(struct post_core *self, struct mailbox *box)
{
    const uint32_t heard = atomic_load(&self->office->bells[self->core]);
    if (mail_sleep_begin(box)) {
        while (atomic_load(&self->office->bells[self->core]) == heard &&
               atomic_load(&self->office->finished) < CORES) {
            sched_yield();
        }
    }
    mail_sleep_end(box);
}

static void *post_run(void *argument)
{
    struct post_core *self = argument;
    struct mailbox *box = mail_box(self->office->mail, self->core);
    struct letter *letters = calloc(CORES * IN_FLIGHT, sizeof(*letters));
    uint64_t sent[CORES] = {0};
    uint64_t back[CORES] = {0};
    uint64_t back_all = 0;
    const uint64_t want = (uint64_t)ROUND_TRIPS * (CORES - 1);
    while (atomic_load(&self->office->finished) < CORES) {
        uint32_t work = 0;
        struct mail_message *message;
        while ((message = mail_receive(box)) != NULL) {
            struct letter *letter = CONTAINER_OF(message, struct letter, message);
            const uint32_t other = message->from;
            work++;
            if (!letter->answered) {
                letter->answered = true;
                letter->number *= 2;
                mail_post(box, other, message);
                continue;
            }
            self->errors += letter->number != back[other] * 2;
            back[other]++;
            if (++back_all == want && atomic_fetch_add(&self->office->finished, 1) == CORES - 1) {
                bells_ring(self->office, (UINT64_C(1) << CORES) - 1);
            }
        }
        for (uint32_t to = 0; to < CORES; to++) {
            while (to != self->core && sent[to] < ROUND_TRIPS && sent[to] - back[to] < IN_FLIGHT) {
                struct letter *letter = &letters[to * IN_FLIGHT + sent[to] % IN_FLIGHT];
                *letter = (struct letter){.number = sent[to]++};
                mail_post(box, to, &letter->message);
                work++;
            }
        }
        bells_ring(self->office, mail_flush(box));
        if (work == 0) {
            post_sleep(self, box);
        }
    }
    free(letters);
    return NULL;
}

static void four_cores_write_to_each_other_and_sleep_between(void **state)
{
    (void)state;
    struct post_office office = {.mail = mail_make(CORES)};
    struct post_core cores[CORES];
    pthread_t threads[CORES];
    for (uint32_t core = 0; core < CORES; core++) {
        cores[core] = (struct post_core){.office = &office, .core = core};
        assert_int_equal(pthread_create(&threads[core], NULL, post_run, &cores[core]), 0);
    }
    for (uint32_t core = 0; core < CORES; core++) {
        pthread_join(threads[core], NULL);
        assert_int_equal(cores[core].errors, 0);
    }
    free(office.mail);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_of_one_sender_arrive_in_order_and_say_who_sent_them),
        cmocka_unit_test(a_core_may_write_to_itself),
        cmocka_unit_test(more_than_a_ring_full_waits_and_keeps_its_order),
        cmocka_unit_test(a_busy_sender_does_not_starve_another),
        cmocka_unit_test(a_sleeper_is_woken_once_for_many_messages),
        cmocka_unit_test(four_cores_write_to_each_other_and_sleep_between),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
