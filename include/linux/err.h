/* SPDX-License-Identifier: BSD-2-Clause */
/* Error numbers in pointers: the last 4095 addresses represent -4095 ... -1. */
#ifndef DMAMAP_LINUX_ERR_H
#define DMAMAP_LINUX_ERR_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_ERRNO 4095

#define IS_ERR_VALUE(x) ((uintptr_t)(void *)(x) >= (uintptr_t)-MAX_ERRNO)

/**
 * ERR_PTR() - Encode an error number in a pointer.
 * @error: the negative errno value, -4095 to -1.
 * Return: the pointer.
 */
static inline void *ERR_PTR(long error)
{
	return (void *)(intptr_t)error;
}

/**
 * PTR_ERR() - Decode the error number of a pointer for which IS_ERR() is true.
 * @ptr: a pointer, or an error from ERR_PTR().
 * Return: the negative errno value.
 */
static inline long PTR_ERR(const void *ptr)
{
	return (long)(intptr_t)ptr;
}

/**
 * IS_ERR() - Test whether a pointer is an error number.
 * @ptr: a pointer, or an error from ERR_PTR().
 * Return: true if @ptr is one of the last 4095 addresses.
 */
static inline bool IS_ERR(const void *ptr)
{
	return IS_ERR_VALUE(ptr);
}

/**
 * IS_ERR_OR_NULL() - Test whether a pointer is an error number or NULL.
 * @ptr: a pointer, or an error from ERR_PTR().
 * Return: true if @ptr is one of the two.
 */
static inline bool IS_ERR_OR_NULL(const void *ptr)
{
	return !ptr || IS_ERR_VALUE(ptr);
}

/**
 * ERR_CAST() - Convert an error to another pointer type.
 * @ptr: an error from ERR_PTR().
 * Return: the same error.
 */
static inline void *ERR_CAST(const void *ptr)
{
	return (void *)(uintptr_t)ptr;
}

/**
 * PTR_ERR_OR_ZERO() - Return the error number of a pointer, or 0.
 * @ptr: a pointer, or an error from ERR_PTR().
 * Return: the negative errno value if IS_ERR() is true for @ptr, otherwise 0.
 */
static inline int PTR_ERR_OR_ZERO(const void *ptr)
{
	return IS_ERR(ptr) ? (int)PTR_ERR(ptr) : 0;
}

#endif
