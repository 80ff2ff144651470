/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_packed.c - Packed rings of a guest that may do anything, at any time (rings.h)
 *
 * Covers datapath/vq*.c but vq_chain.c, offload.c of frames the guest transmits, and
 * the lookups of iotlb/ while translations come and go.
 */
#include "tests/fuzz/input.h"
#include "tests/fuzz/rings.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	rings_init();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	rings_run(data, size, true);
	return 0;
}
