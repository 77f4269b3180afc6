/* SPDX-License-Identifier: BSD-2-Clause */
#include "doorbell.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

void doorbell_wake(struct doorbell *b)
{
	syscall(SYS_futex, &b->asleep, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* The kernel compares the word again, so a wake-up between the check and the call is not lost. */
void doorbell_wait(struct doorbell *b, const struct timespec *most)
{
	if (doorbell_sleep_begin(b))
		syscall(SYS_futex, &b->asleep, FUTEX_WAIT_PRIVATE, 1, most, NULL, 0);
	doorbell_sleep_end(b);
}
