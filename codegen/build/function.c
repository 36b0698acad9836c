/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Functions, integers, dimensions and control flow. */
#include "codegen/build/build.h"

LLVMTypeRef ran_build_pointer_type(const ran_llvm *b)
{
    return LLVMPointerTypeInContext(b->llvm, 0);
}

LLVMTypeRef ran_build_i64_type(const ran_llvm *b)
{
    return LLVMInt64TypeInContext(b->llvm);
}

void ran_build_begin(ran_llvm *b, LLVMValueRef function)
{
    LLVMBasicBlockRef entry = LLVMAppendBasicBlockInContext(b->llvm, function, "entry");
    LLVMBasicBlockRef start = LLVMAppendBasicBlockInContext(b->llvm, function, "start");
    b->function = function;
    LLVMPositionBuilderAtEnd(b->builder, entry);
    b->entry_end = LLVMBuildBr(b->builder, start);
    LLVMPositionBuilderAtEnd(b->builder, start);
}

LLVMValueRef ran_build_i64(const ran_llvm *b, int64_t value)
{
    return LLVMConstInt(ran_build_i64_type(b), (uint64_t)value, true);
}

LLVMValueRef ran_build_alloca(ran_llvm *b, LLVMTypeRef type, const char *name)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(b->builder);
    LLVMPositionBuilderBefore(b->builder, b->entry_end);
    LLVMValueRef slot = LLVMBuildAlloca(b->builder, type, name);
    LLVMPositionBuilderAtEnd(b->builder, here);
    return slot;
}

LLVMValueRef ran_build_add(ran_llvm *b, LLVMValueRef x, LLVMValueRef y)
{
    return LLVMBuildAdd(b->builder, x, y, "");
}

LLVMValueRef ran_build_mul(ran_llvm *b, LLVMValueRef x, LLVMValueRef y)
{
    return LLVMBuildMul(b->builder, x, y, "");
}

static LLVMValueRef symbol_value(const ran_llvm *b, const ran_dim *symbol)
{
    for (size_t i = 0; i < b->symbol_count; i++)
        if (b->symbols[i] == symbol)
            return b->symbol_values[i];
    RAN_BUG(b->context, "dimension %s is not a symbol of the function", ran_dim_name(symbol));
}

static LLVMValueRef select_compared(ran_llvm *b, LLVMIntPredicate predicate, LLVMValueRef x,
                                    LLVMValueRef y)
{
    return LLVMBuildSelect(b->builder, LLVMBuildICmp(b->builder, predicate, x, y, ""), x, y, "");
}

/* Rounds down, also below zero (N - 3 for an N of 1); a divisor that may be zero, of nothing then,
 * counts as 1, because a division must not trap. `from_zero`: x is never negative. */
static LLVMValueRef floor_divide(ran_llvm *b, LLVMValueRef x, LLVMValueRef y, bool from_zero)
{
    LLVMValueRef zero = ran_build_i64(b, 0), one = ran_build_i64(b, 1);
    if (!LLVMIsConstant(y))
        y = select_compared(b, LLVMIntSGT, y, one);
    if (from_zero)
        return LLVMBuildSDiv(b->builder, x, y, "");
    LLVMValueRef below = LLVMBuildICmp(b->builder, LLVMIntSLT, x, zero, "");
    LLVMValueRef shift =
        LLVMBuildSelect(b->builder, below, LLVMBuildSub(b->builder, y, one, ""), zero, "");
    return LLVMBuildSDiv(b->builder, LLVMBuildSub(b->builder, x, shift, ""), y, "");
}

static LLVMValueRef binary_dim(ran_llvm *b, const ran_dim *dim, LLVMValueRef x, LLVMValueRef y)
{
    LLVMValueRef one = ran_build_i64(b, 1);
    bool from_zero = ran_dim_is_at_least(ran_dim_lhs(dim), ran_dim_constant(b->context, 0));
    switch (ran_dim_get_kind(dim)) {
    case RAN_DIM_ADD:
        return ran_build_add(b, x, y);
    case RAN_DIM_MUL:
        return ran_build_mul(b, x, y);
    case RAN_DIM_FLOORDIV:
        return floor_divide(b, x, y, from_zero);
    case RAN_DIM_CEILDIV:
        return floor_divide(b, ran_build_add(b, x, LLVMBuildSub(b->builder, y, one, "")), y,
                            from_zero);
    case RAN_DIM_MIN:
        return select_compared(b, LLVMIntSLT, x, y);
    case RAN_DIM_MAX:
        return select_compared(b, LLVMIntSGT, x, y);
    default:
        RAN_BUG(b->context, "not a binary dimension");
    }
}

LLVMValueRef ran_build_dim(ran_llvm *b, const ran_dim *dim)
{
    if (ran_dim_is_constant(dim))
        return ran_build_i64(b, ran_dim_value(dim));
    if (ran_dim_get_kind(dim) == RAN_DIM_SYMBOL)
        return symbol_value(b, dim);
    return binary_dim(b, dim, ran_build_dim(b, ran_dim_lhs(dim)),
                      ran_build_dim(b, ran_dim_rhs(dim)));
}

LLVMValueRef ran_build_div(ran_llvm *b, LLVMValueRef x, LLVMValueRef y)
{
    return LLVMBuildUDiv(b->builder, x, y, "");
}

LLVMValueRef ran_build_rem(ran_llvm *b, LLVMValueRef x, LLVMValueRef y)
{
    return LLVMBuildURem(b->builder, x, y, "");
}

LLVMValueRef ran_build_zext(ran_llvm *b, LLVMValueRef x)
{
    return LLVMBuildZExt(b->builder, x, ran_build_i64_type(b), "");
}

LLVMValueRef ran_build_at_least(ran_llvm *b, LLVMValueRef x, int64_t least)
{
    return LLVMBuildICmp(b->builder, LLVMIntSGE, x, ran_build_i64(b, least), "");
}

/* An i32 is compared as one. */
LLVMValueRef ran_build_is(ran_llvm *b, LLVMValueRef x, int64_t value)
{
    LLVMValueRef constant = LLVMConstInt(LLVMTypeOf(x), (uint64_t)value, true);
    return LLVMBuildICmp(b->builder, LLVMIntEQ, x, constant, "");
}

LLVMValueRef ran_build_has_bits(ran_llvm *b, LLVMValueRef word, uint64_t bits)
{
    LLVMValueRef wanted = ran_build_i64(b, (int64_t)bits);
    return LLVMBuildICmp(b->builder, LLVMIntEQ, LLVMBuildAnd(b->builder, word, wanted, ""), wanted,
                         "");
}

LLVMValueRef ran_build_equal(ran_llvm *b, LLVMValueRef x, LLVMValueRef y)
{
    return LLVMBuildICmp(b->builder, LLVMIntEQ, x, y, "");
}

LLVMValueRef ran_build_less(ran_llvm *b, LLVMValueRef x, LLVMValueRef y)
{
    return LLVMBuildICmp(b->builder, LLVMIntSLT, x, y, "");
}

LLVMValueRef ran_build_below(ran_llvm *b, LLVMValueRef x, LLVMValueRef y)
{
    return LLVMBuildICmp(b->builder, LLVMIntULT, x, y, "");
}

LLVMValueRef ran_build_unmet(ran_llvm *b, const ran_condition *condition)
{
    LLVMValueRef x = ran_build_dim(b, condition->a), y = ran_build_dim(b, condition->b);
    return condition->relation == RAN_EQUAL ? ran_build_not(b, ran_build_equal(b, x, y))
                                            : ran_build_less(b, x, y);
}

LLVMValueRef ran_build_select(ran_llvm *b, LLVMValueRef condition, LLVMValueRef x, LLVMValueRef y)
{
    return LLVMBuildSelect(b->builder, condition, x, y, "");
}

void ran_build_return_if(ran_llvm *b, LLVMValueRef condition, LLVMValueRef code)
{
    LLVMBasicBlockRef leave = LLVMAppendBasicBlockInContext(b->llvm, b->function, "");
    LLVMBasicBlockRef stay = LLVMAppendBasicBlockInContext(b->llvm, b->function, "");
    LLVMBuildCondBr(b->builder, condition, leave, stay);
    LLVMPositionBuilderAtEnd(b->builder, leave);
    ran_build_return_i32(b, code);
    LLVMPositionBuilderAtEnd(b->builder, stay);
}

LLVMValueRef ran_build_max(ran_llvm *b, LLVMValueRef x, LLVMValueRef y)
{
    return select_compared(b, LLVMIntSGT, x, y);
}

void ran_build_return(ran_llvm *b)
{
    LLVMBuildRetVoid(b->builder);
}

LLVMValueRef ran_build_offset(ran_llvm *b, LLVMValueRef pointer, LLVMValueRef bytes)
{
    return LLVMBuildGEP2(b->builder, LLVMInt8TypeInContext(b->llvm), pointer, &bytes, 1, "");
}

static LLVMValueRef word(ran_llvm *b, LLVMValueRef array, int64_t index)
{
    return ran_build_offset(b, array, ran_build_i64(b, index * 8));
}

LLVMValueRef ran_build_load_word(ran_llvm *b, LLVMTypeRef type, LLVMValueRef array, int64_t index)
{
    return LLVMBuildLoad2(b->builder, type, word(b, array, index), "");
}

void ran_build_store_word(ran_llvm *b, LLVMValueRef value, LLVMValueRef array, int64_t index)
{
    LLVMBuildStore(b->builder, value, word(b, array, index));
}

LLVMValueRef ran_build_call(ran_llvm *b, LLVMValueRef function, LLVMValueRef *arguments,
                            unsigned count)
{
    return LLVMBuildCall2(b->builder, LLVMGlobalGetValueType(function), function, arguments, count,
                          "");
}

void ran_build_if(ran_llvm *b, LLVMValueRef condition, ran_build_arm *arm, void *data)
{
    LLVMBasicBlockRef yes = LLVMAppendBasicBlockInContext(b->llvm, b->function, "");
    LLVMBasicBlockRef no = LLVMAppendBasicBlockInContext(b->llvm, b->function, "");
    LLVMBasicBlockRef done = LLVMAppendBasicBlockInContext(b->llvm, b->function, "");
    LLVMBuildCondBr(b->builder, condition, yes, no);
    LLVMPositionBuilderAtEnd(b->builder, yes);
    arm(b, data, true);
    LLVMBuildBr(b->builder, done);
    LLVMPositionBuilderAtEnd(b->builder, no);
    arm(b, data, false);
    LLVMBuildBr(b->builder, done);
    LLVMPositionBuilderAtEnd(b->builder, done);
}

void ran_build_while(ran_llvm *b, LLVMValueRef (*goes_on)(ran_llvm *b, void *data),
                     void (*body)(ran_llvm *b, void *data), void *data)
{
    LLVMBasicBlockRef ask = LLVMAppendBasicBlockInContext(b->llvm, b->function, "");
    LLVMBasicBlockRef again = LLVMAppendBasicBlockInContext(b->llvm, b->function, "");
    LLVMBasicBlockRef done = LLVMAppendBasicBlockInContext(b->llvm, b->function, "");
    LLVMBuildBr(b->builder, ask);
    LLVMPositionBuilderAtEnd(b->builder, ask);
    LLVMBuildCondBr(b->builder, goes_on(b, data), again, done);
    LLVMPositionBuilderAtEnd(b->builder, again);
    body(b, data);
    LLVMBuildBr(b->builder, ask);
    LLVMPositionBuilderAtEnd(b->builder, done);
}

void ran_build_copy(ran_llvm *b, LLVMValueRef to, LLVMValueRef from, LLVMValueRef bytes)
{
    LLVMBuildMemCpy(b->builder, to, 1, from, 1, bytes);
}

LLVMValueRef ran_build_call_pointer(ran_llvm *b, LLVMTypeRef type, LLVMValueRef pointer,
                                    LLVMValueRef *arguments, unsigned count)
{
    return LLVMBuildCall2(b->builder, type, pointer, arguments, count, "");
}

void ran_build_return_value(ran_llvm *b, LLVMValueRef value)
{
    LLVMBuildRet(b->builder, value);
}

void ran_build_return_i32(ran_llvm *b, LLVMValueRef value)
{
    LLVMTypeRef i32 = LLVMInt32TypeInContext(b->llvm);
    LLVMBuildRet(b->builder, LLVMBuildIntCast2(b->builder, value, i32, true, ""));
}

LLVMValueRef ran_build_is_null(ran_llvm *b, LLVMValueRef pointer)
{
    return LLVMBuildIsNull(b->builder, pointer, "");
}

LLVMValueRef ran_build_or(ran_llvm *b, LLVMValueRef x, LLVMValueRef y)
{
    return LLVMBuildOr(b->builder, x, y, "");
}

LLVMValueRef ran_build_and(ran_llvm *b, LLVMValueRef x, LLVMValueRef y)
{
    return LLVMBuildAnd(b->builder, x, y, "");
}

LLVMValueRef ran_build_not(ran_llvm *b, LLVMValueRef x)
{
    return LLVMBuildNot(b->builder, x, "");
}

LLVMValueRef ran_build_load_volatile(ran_llvm *b, LLVMTypeRef type, LLVMValueRef pointer)
{
    LLVMValueRef load = LLVMBuildLoad2(b->builder, type, pointer, "");
    LLVMSetVolatile(load, true);
    return load;
}

LLVMValueRef ran_build_align_pointer(ran_llvm *b, LLVMValueRef pointer, int64_t alignment)
{
    LLVMTypeRef i64 = ran_build_i64_type(b);
    LLVMValueRef address = LLVMBuildPtrToInt(b->builder, pointer, i64, "");
    LLVMValueRef rest = LLVMBuildAnd(b->builder, LLVMBuildNeg(b->builder, address, ""),
                                     ran_build_i64(b, alignment - 1), "");
    return ran_build_offset(b, pointer, rest);
}

LLVMValueRef ran_build_host_pointer(ran_llvm *b, const void *pointer)
{
    return LLVMConstIntToPtr(ran_build_i64(b, (int64_t)(intptr_t)pointer),
                             ran_build_pointer_type(b));
}
