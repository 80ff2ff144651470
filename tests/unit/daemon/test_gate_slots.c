/* SPDX-License-Identifier: BSD-3-Clause */
/* test_gate_slots.c - Regions of memory that come and go one by one */
#include "tests/unit/daemon/gate_fixture.h"

#include <rte_vhost.h>

#include "iotlb/iotlb.h"

static const struct vu_region regions[] = {
	{GPA_0, REGION_SIZE, USER_0, 0},
	{GPA_1, REGION_SIZE, USER_1, REGION_SIZE},
};

static int slot(int fd, uint32_t request, const struct vu_region *r, unsigned int n_fds)
{
	struct vu_memory_slot s = {.region = *r};
	int fds[] = {mem_fd, mem_fd};

	return front_ask(fd, request, &s, sizeof(s), fds, n_fds);
}

static int add(int fd, const struct vu_region *r)
{
	return slot(fd, VU_ADD_MEM_REG, r, 1);
}

static int rem(int fd, const struct vu_region *r)
{
	return slot(fd, VU_REM_MEM_REG, r, 0);
}

/* A connection with everything agreed on but memory */
static int slots_open(uint64_t features, uint64_t protocol)
{
	int fd = front_open(VM1);

	assert_int_equal(front_get(fd, VU_GET_FEATURES) & features, features);
	assert_int_equal(front_u64(fd, VU_SET_PROTOCOL_FEATURES, protocol), 0);
	assert_int_equal(front_ask(fd, VU_SET_OWNER, NULL, 0, NULL, 0), 0);
	assert_int_equal(front_u64(fd, VU_SET_FEATURES, features), 0);
	return fd;
}

static void *host_of(uint64_t user, uint64_t size)
{
	return device_user_to_host(&fixture.guests[VM1].dev, user, size);
}

static void test_slots_are_counted(void **state)
{
	int fd = slots_open(FEATURES, PROTOCOL_FEATURES);
	struct vu_region r = {.size = 4096};

	(void)state;
	assert_int_equal(front_get(fd, VU_GET_MAX_MEM_SLOTS), 8);
	for (unsigned int i = 0; i < 9; i++) {
		r.guest_addr = i * 0x10000u;
		r.user_addr = USER_0 + i * 0x10000u;
		r.mmap_offset = i * 4096u;
		assert_int_equal(add(fd, &r), i < 8 ? 0 : ERROR_REPLY);
	}
	/* What did not fit changed nothing */
	for (unsigned int i = 0; i < 8; i++) {
		mem[i * 4096] = (uint8_t)(i + 1);
		assert_int_equal(*(uint8_t *)host_of(USER_0 + i * 0x10000u, 4096), i + 1);
	}
	assert_null(host_of(USER_0 + 8 * 0x10000u, 1));
	front_close(fd);
}

static void test_slots_come_and_go(void **state)
{
	int fd = slots_open(FEATURES, PROTOCOL_FEATURES);

	(void)state;
	assert_int_equal(add(fd, &regions[0]), 0);
	assert_int_equal(add(fd, &regions[1]), 0);
	mem[0] = 1;
	mem[REGION_SIZE] = 2;
	assert_int_equal(*(uint8_t *)host_of(USER_0, REGION_SIZE), 1);
	assert_int_equal(*(uint8_t *)host_of(USER_1, REGION_SIZE), 2);
	assert_int_equal(rem(fd, &regions[0]), 0);
	assert_null(host_of(USER_0, 1));
	assert_int_equal(*(uint8_t *)host_of(USER_1, REGION_SIZE), 2);
	/* To the last, and anew */
	assert_int_equal(rem(fd, &regions[1]), 0);
	assert_null(host_of(USER_1, 1));
	assert_int_equal(count_maps(MEM_NAME), 1);
	assert_int_equal(add(fd, &regions[1]), 0);
	assert_int_equal(*(uint8_t *)host_of(USER_1, REGION_SIZE), 2);
	front_close(fd);
}

/* vhost-user, REM_MEM_REG: guest address, user address and size name it */
static void test_slot_is_named_by_three(void **state)
{
	int fd = slots_open(FEATURES, PROTOCOL_FEATURES);
	struct vu_region wrong;

	(void)state;
	assert_int_equal(add(fd, &regions[0]), 0);
	for (unsigned int i = 0; i < 3; i++) {
		wrong = regions[0];
		wrong.guest_addr += i == 0 ? 4096 : 0;
		wrong.user_addr += i == 1 ? 4096 : 0;
		wrong.size -= i == 2 ? 4096 : 0;
		assert_int_equal(rem(fd, &wrong), ERROR_REPLY);
	}
	assert_non_null(host_of(USER_0, REGION_SIZE));
	wrong = regions[0];
	wrong.mmap_offset = 12345;
	/* An old front-end passes a descriptor along */
	assert_int_equal(slot(fd, VU_REM_MEM_REG, &wrong, 1), 0);
	assert_null(host_of(USER_0, 1));
	front_close(fd);
}

/* QEMU 7.2 says everything once for each queue pair */
static void test_slots_said_again(void **state)
{
	int fd = slots_open(FEATURES, PROTOCOL_FEATURES);
	struct vu_region r = regions[0];
	void *host = NULL;

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(add(fd, &regions[0]), 0);
		assert_int_equal(add(fd, &regions[1]), 0);
		host = i ? host : host_of(USER_0, REGION_SIZE);
		/* Mapped once, and left alone */
		assert_ptr_equal(host_of(USER_0, REGION_SIZE), host);
	}
	assert_int_equal(count_maps(MEM_NAME), 3);
	/* The same place of something else is not the same */
	r.mmap_offset = REGION_SIZE;
	assert_int_equal(add(fd, &r), ERROR_REPLY);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(rem(fd, &regions[0]), 0);
	assert_null(host_of(USER_0, 1));
	assert_non_null(host_of(USER_1, REGION_SIZE));
	/* Nothing of it is there, but it is nothing that could be */
	r.size = 0;
	assert_int_equal(rem(fd, &r), ERROR_REPLY);
	r.size = UINT64_MAX;
	assert_int_equal(rem(fd, &r), ERROR_REPLY);
	front_close(fd);
}

static void test_slots_refused(void **state)
{
	int fd = slots_open(FEATURES, PROTOCOL_FEATURES);
	struct vu_region r = regions[1];

	(void)state;
	assert_int_equal(add(fd, &regions[0]), 0);
	assert_int_equal(slot(fd, VU_ADD_MEM_REG, &r, 0), ERROR_REPLY);
	r.size = 3 * REGION_SIZE; /* beyond its file */
	assert_int_equal(add(fd, &r), ERROR_REPLY);
	r = regions[1];
	r.guest_addr = GPA_0 + 4096; /* into the other one */
	assert_int_equal(add(fd, &r), ERROR_REPLY);
	r = regions[1];
	r.size = 0;
	assert_int_equal(add(fd, &r), ERROR_REPLY);
	/* Whatever was refused, what there was is as it was */
	assert_non_null(host_of(USER_0, REGION_SIZE));
	assert_int_equal(add(fd, &regions[1]), 0);
	front_close(fd);
}

static void test_slots_not_negotiated(void **state)
{
	uint64_t protocol = PROTOCOL_FEATURES & ~BIT(VU_PROTOCOL_F_CONFIGURE_MEM_SLOTS);
	int fd = slots_open(FEATURES, protocol);

	(void)state;
	assert_int_equal(add(fd, &regions[0]), ERROR_REPLY);
	assert_int_equal(front_memory(fd), 0);
	assert_int_equal(rem(fd, &regions[0]), ERROR_REPLY);
	front_send(fd, VU_GET_MAX_MEM_SLOTS, 0, NULL, 0, NULL, 0);
	assert_true(front_ended(fd));
	front_close(fd);
}

/* A table may be what slots are added to and removed from */
static void test_slots_of_a_table(void **state)
{
	int fd = slots_open(FEATURES, PROTOCOL_FEATURES);

	(void)state;
	assert_int_equal(add(fd, &regions[1]), 0);
	assert_int_equal(front_memory(fd), 0);
	assert_int_equal(add(fd, &regions[1]), 0);
	assert_int_equal(rem(fd, &regions[0]), 0);
	assert_null(host_of(USER_0, 1));
	assert_non_null(host_of(USER_1, REGION_SIZE));
	front_close(fd);
}

/* Behind a vIOMMU what was translated into a region goes with it */
static void test_slot_takes_translations_along(void **state)
{
	int fd = slots_open(FEATURES | VIOMMU, PROTOCOL_FEATURES), backend;
	struct iotlb *tlb = fixture.guests[VM1].dev.tlb;
	const uint8_t rw = IOTLB_READ | IOTLB_WRITE;
	struct iotlb_stats stats;

	(void)state;
	assert_int_equal(front_backend(fd, &backend), 0);
	assert_int_equal(add(fd, &regions[0]), 0);
	assert_int_equal(add(fd, &regions[1]), 0);
	assert_int_equal(front_update(fd, 0x1000, 4096, USER_0, rw), 0);
	assert_int_equal(front_update(fd, 0x2000, 4096, USER_1, rw), 0);
	assert_int_equal(rem(fd, &regions[0]), 0);
	iotlb_stats(tlb, &stats);
	assert_int_equal(stats.entries, 0);
	assert_int_equal(front_update(fd, 0x1000, 4096, USER_0, rw), ERROR_REPLY);
	assert_int_equal(front_update(fd, 0x2000, 4096, USER_1, rw), 0);
	front_close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GATE_TEST(test_slots_are_counted),
		GATE_TEST(test_slots_come_and_go),
		GATE_TEST(test_slot_is_named_by_three),
		GATE_TEST(test_slots_said_again),
		GATE_TEST(test_slots_refused),
		GATE_TEST(test_slots_not_negotiated),
		GATE_TEST(test_slots_of_a_table),
		GATE_TEST(test_slot_takes_translations_along),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
