/* SPDX-License-Identifier: BSD-3-Clause */
/* test_resolver.c - Questions asked once, again, and no more */
#include "tests/unit/daemon/daemon_test.h"

#include "daemon/resolver.h"
#include "iotlb/iotlb.h"

#define RETRIES 2
#define RW	(IOTLB_READ | IOTLB_WRITE)
#define HOUR_NS UINT64_C(3600000000000)

static struct loop *loop;
static struct resolver r;
static unsigned int n_asked;
static uint64_t last_iova;
static uint8_t last_perm;
static int ask_err;

static int ask(struct resolver *self, uint64_t iova, uint8_t perm)
{
	assert_ptr_equal(self, &r);
	n_asked++;
	last_iova = iova;
	last_perm = perm;
	return ask_err;
}

static int setup(void **state)
{
	(void)state;
	thread_role_assume(&ctl_role);
	log_init(CONF_LOG_ERR);
	n_asked = 0;
	ask_err = 0;
	if (loop_new(&loop))
		return -1;
	r = (struct resolver){
		.ask = ask,
		.name = "test",
		.loop = loop,
		.timeout_ns = HOUR_NS,
		.retries = RETRIES,
	};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	thread_role_assume(&ctl_role);
	resolver_clear(&r);
	loop_free(loop);
	return 0;
}

static int miss(uint64_t iova, uint8_t perm)
{
	thread_role_assume(&ctl_role);
	return resolver_miss(&r, iova, perm);
}

static void answer(uint64_t iova, uint64_t size, uint8_t perm)
{
	thread_role_assume(&ctl_role);
	resolver_answer(&r, iova, size, perm);
}

/* Let every pending question be due now */
static void time_out(void)
{
	thread_role_assume(&ctl_role);
	for (unsigned int i = 0; i < r.n; i++)
		r.pending[i].due_ns = 0;
	r.timer.due_ns = 0;
	assert_true(r.timer.armed);
	assert_true(loop_wait(loop, false) > 0);
}

static void test_resolver_miss_asked_once(void **state)
{
	(void)state;
	assert_int_equal(miss(0x1234, IOTLB_READ), 0);
	assert_int_equal(n_asked, 1);
	assert_int_equal(last_iova, 0x1234);
	assert_int_equal(last_perm, IOTLB_READ);
	assert_int_equal(miss(0x1234, IOTLB_READ), -EALREADY);
	assert_int_equal(miss(0x1000, IOTLB_READ), -EALREADY); /* the same page */
	assert_int_equal(miss(0x1fff, IOTLB_READ), -EALREADY);
	assert_int_equal(n_asked, 1);
	assert_int_equal(miss(0x2000, IOTLB_READ), 0); /* its neighbour */
	assert_int_equal(miss(0xfff, IOTLB_READ), 0);
	assert_int_equal(n_asked, 3);
	assert_int_equal(r.counters.asked, 3);
	assert_int_equal(r.counters.asked_again, 0);
}

static void test_resolver_miss_other_permission(void **state)
{
	(void)state;
	assert_int_equal(miss(0x1000, IOTLB_READ), 0);
	assert_int_equal(miss(0x1000, IOTLB_WRITE), 0);
	assert_int_equal(last_perm, IOTLB_WRITE);
	assert_int_equal(miss(0x3000, RW), 0);
	assert_int_equal(miss(0x3000, IOTLB_READ), -EALREADY); /* asked for with more */
	assert_int_equal(miss(0x3000, IOTLB_WRITE), -EALREADY);
	assert_int_equal(n_asked, 3);
}

/* ASKED -> ASKED ... -> RESTING -> (none) */
static void test_resolver_expired_retries_then_fault(void **state)
{
	(void)state;
	assert_int_equal(miss(0x1234, IOTLB_READ), 0);
	for (unsigned int i = 1; i <= RETRIES; i++) {
		time_out();
		assert_int_equal(n_asked, 1 + i);
		assert_int_equal(last_iova, 0x1234);
		assert_int_equal(r.counters.asked_again, i);
		assert_int_equal(r.counters.faults, 0);
		assert_int_equal(miss(0x1000, IOTLB_READ), -EALREADY);
	}
	time_out();
	assert_int_equal(n_asked, 1 + RETRIES);
	assert_int_equal(r.counters.faults, 1);
	assert_int_equal(miss(0x1000, IOTLB_READ), -ETIMEDOUT);
	time_out(); /* the rest is over */
	assert_int_equal(r.n, 0);
	assert_false(r.timer.armed);
	assert_int_equal(miss(0x1000, IOTLB_READ), 0);
	assert_int_equal(n_asked, 2 + RETRIES);
	assert_int_equal(r.counters.faults, 1);
}

/* The same by the clock: one question, nobody answers */
static void test_resolver_expired_by_the_clock(void **state)
{
	uint64_t start = loop_now_ns();

	(void)state;
	thread_role_assume(&ctl_role);
	r.timeout_ns = 1000000;
	assert_int_equal(miss(0x1000, IOTLB_READ), 0);
	while (!r.counters.faults)
		loop_wait(loop, true);
	assert_int_equal(n_asked, 1 + RETRIES);
	assert_true(loop_now_ns() - start >= (1 + RETRIES) * r.timeout_ns);
}

/* Only what is due is asked again */
static void test_resolver_expired_others_wait(void **state)
{
	(void)state;
	thread_role_assume(&ctl_role);
	assert_int_equal(miss(0x1000, IOTLB_READ), 0);
	assert_int_equal(miss(0x2000, IOTLB_READ), 0);
	r.pending[1].due_ns = 0;
	r.timer.due_ns = 0;
	assert_int_equal(loop_wait(loop, false), 1);
	assert_int_equal(n_asked, 3);
	assert_int_equal(last_iova, 0x2000);
	assert_true(r.timer.armed && r.timer.due_ns > loop_now_ns());
}

/* A page that rests for long does not put off the retries of another */
static void test_resolver_miss_beside_a_rest(void **state)
{
	(void)state;
	assert_int_equal(miss(0x1000, IOTLB_READ), 0);
	for (unsigned int i = 0; i <= RETRIES; i++)
		time_out();
	r.timeout_ns = RESOLVER_REST_NS / 1000;
	assert_int_equal(miss(0x2000, IOTLB_READ), 0);
	assert_int_equal(r.n, 2);
	assert_true(r.timer.armed && r.timer.due_ns < r.pending[0].due_ns);
}

static void test_resolver_expired_answered_meanwhile(void **state)
{
	(void)state;
	assert_int_equal(miss(0x1000, IOTLB_READ), 0);
	answer(0x1000, 0x1000, IOTLB_READ);
	time_out();
	assert_int_equal(n_asked, 1);
	assert_int_equal(r.counters.faults, 0);
	assert_false(r.timer.armed);
}

static void test_resolver_forget(void **state)
{
	(void)state;
	thread_role_assume(&ctl_role);
	assert_int_equal(miss(0x1000, IOTLB_READ), 0);
	assert_int_equal(miss(0x2fff, IOTLB_READ), 0);
	assert_int_equal(miss(0x3000, IOTLB_READ), 0);
	resolver_forget(&r, 0x2000, 0x1000);
	assert_int_equal(r.n, 2);
	assert_int_equal(miss(0x1000, IOTLB_READ), -EALREADY);
	assert_int_equal(miss(0x3000, IOTLB_READ), -EALREADY);
	assert_int_equal(miss(0x2000, IOTLB_READ), 0); /* asked anew */
	assert_int_equal(n_asked, 4);
	resolver_forget(&r, 0, UINT64_MAX);
	assert_int_equal(r.n, 0);
	assert_int_equal(r.counters.answered, 0);
}

static void test_resolver_miss_not_sent(void **state)
{
	(void)state;
	ask_err = -ENOBUFS;
	assert_int_equal(miss(0x1000, IOTLB_READ), 0);
	assert_int_equal(r.counters.unsent, 1);
	assert_int_equal(miss(0x1000, IOTLB_READ), -EALREADY);
	ask_err = 0;
	time_out();
	assert_int_equal(n_asked, 2);
	assert_int_equal(r.counters.unsent, 1);
}

static void test_resolver_answer_what_it_covers(void **state)
{
	(void)state;
	assert_int_equal(miss(0x0ff8, IOTLB_READ), 0);
	assert_int_equal(miss(0x1000, IOTLB_READ), 0);
	assert_int_equal(miss(0x2ff8, IOTLB_WRITE), 0);
	assert_int_equal(miss(0x3000, IOTLB_READ), 0);
	answer(0x1000, 0x2000, RW);
	assert_int_equal(r.n, 2);
	assert_int_equal(r.counters.answered, 2);
	assert_int_equal(miss(0x0ff8, IOTLB_READ), -EALREADY);
	assert_int_equal(miss(0x3000, IOTLB_READ), -EALREADY);
	assert_int_equal(miss(0x1000, IOTLB_READ), 0);
	answer(0x1000, 0, RW); /* nothing */
	assert_int_equal(r.n, 3);
}

static void test_resolver_answer_too_little_permission(void **state)
{
	(void)state;
	assert_int_equal(miss(0x1000, IOTLB_READ), 0);
	assert_int_equal(miss(0x2000, IOTLB_WRITE), 0);
	assert_int_equal(miss(0x3000, RW), 0);
	answer(0, 0x10000, IOTLB_READ);
	assert_int_equal(r.counters.answered, 1);
	assert_int_equal(miss(0x2000, IOTLB_WRITE), -EALREADY);
	assert_int_equal(miss(0x3000, RW), -EALREADY);
	answer(0, 0x10000, IOTLB_WRITE);
	assert_int_equal(r.counters.answered, 2);
	answer(0, 0x10000, RW);
	assert_int_equal(r.n, 0);
}

static void test_resolver_answer_whole_address_space(void **state)
{
	(void)state;
	assert_int_equal(miss(0, IOTLB_READ), 0);
	assert_int_equal(miss(UINT64_MAX - 1, IOTLB_READ), 0);
	assert_int_equal(miss(UINT64_C(1) << 63, IOTLB_READ), 0);
	answer(0, UINT64_MAX, RW);
	assert_int_equal(r.n, 0);
	assert_int_equal(miss(UINT64_MAX, IOTLB_READ), 0);
	answer(UINT64_MAX - 0xfff, 0x1000, RW); /* its last byte is the last of all */
	assert_int_equal(r.n, 0);
}

static void test_resolver_answer_ends_a_rest(void **state)
{
	(void)state;
	assert_int_equal(miss(0x1000, IOTLB_READ), 0);
	for (unsigned int i = 0; i <= RETRIES; i++)
		time_out();
	assert_int_equal(miss(0x1000, IOTLB_READ), -ETIMEDOUT);
	answer(0x1000, 0x1000, RW);
	assert_int_equal(miss(0x1000, IOTLB_READ), 0);
}

static void test_resolver_miss_overflow(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < RESOLVER_PENDING_MAX; i++)
		assert_int_equal(miss(i << 12, IOTLB_READ), 0);
	for (uint64_t i = 0; i < 10; i++)
		assert_int_equal(miss((1000 + i) << 12, IOTLB_READ), -ENOBUFS);
	assert_int_equal(miss(0, IOTLB_READ), -EALREADY);
	assert_int_equal(n_asked, RESOLVER_PENDING_MAX);
	assert_int_equal(r.counters.overflow, 10);
	answer(0x7000, 0x1000, IOTLB_READ);
	assert_int_equal(miss(UINT64_C(1000) << 12, IOTLB_READ), 0);
	assert_int_equal(miss(UINT64_C(1001) << 12, IOTLB_READ), -ENOBUFS);
	time_out(); /* every one of them is asked again */
	assert_int_equal(r.counters.asked_again, RESOLVER_PENDING_MAX);
}

static void test_resolver_clear(void **state)
{
	(void)state;
	thread_role_assume(&ctl_role);
	assert_int_equal(miss(0x1000, IOTLB_READ), 0);
	resolver_clear(&r);
	assert_false(r.timer.armed);
	assert_int_equal(loop_wait(loop, false), 0);
	assert_int_equal(miss(0x1000, IOTLB_READ), 0);
	assert_int_equal(n_asked, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_resolver_miss_asked_once),
		TEST(test_resolver_miss_other_permission),
		TEST(test_resolver_expired_retries_then_fault),
		TEST(test_resolver_expired_by_the_clock),
		TEST(test_resolver_expired_others_wait),
		TEST(test_resolver_miss_beside_a_rest),
		TEST(test_resolver_expired_answered_meanwhile),
		TEST(test_resolver_forget),
		TEST(test_resolver_miss_not_sent),
		TEST(test_resolver_answer_what_it_covers),
		TEST(test_resolver_answer_too_little_permission),
		TEST(test_resolver_answer_whole_address_space),
		TEST(test_resolver_answer_ends_a_rest),
		TEST(test_resolver_miss_overflow),
		TEST(test_resolver_clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
