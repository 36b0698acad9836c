/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Vectors of the target's lanes: memory, conversions, elementwise ops. */
#include "codegen/build/build.h"

#include <stdio.h>
#include <string.h>

static unsigned lanes_of(const ran_llvm *b)
{
    return (unsigned)b->target->lanes;
}

static bool is_small_float(ran_elem elem)
{
    return elem == RAN_ELEM_F16 || elem == RAN_ELEM_BF16;
}

/* The element type in which an op on `elem` computes. */
static ran_elem computed_elem(ran_elem elem)
{
    return is_small_float(elem) ? RAN_ELEM_F32 : elem;
}

LLVMTypeRef ran_build_storage_type(const ran_llvm *b, ran_elem elem)
{
    if (elem == RAN_ELEM_F32)
        return LLVMFloatTypeInContext(b->llvm);
    if (elem == RAN_ELEM_F64)
        return LLVMDoubleTypeInContext(b->llvm);
    return LLVMIntTypeInContext(b->llvm, ran_elem_bits(elem));
}

static LLVMTypeRef storage_vector_type(const ran_llvm *b, ran_elem elem)
{
    return LLVMVectorType(ran_build_storage_type(b, elem), lanes_of(b));
}

LLVMTypeRef ran_build_vector_type(const ran_llvm *b, ran_elem elem)
{
    return storage_vector_type(b, computed_elem(elem));
}

static unsigned alignment(ran_elem elem)
{
    return ran_elem_bits(elem) / 8;
}

/* ---- Lanes ------------------------------------------------------------------------------------- */

static LLVMValueRef broadcast(ran_llvm *b, LLVMValueRef scalar)
{
    LLVMTypeRef type = LLVMVectorType(LLVMTypeOf(scalar), lanes_of(b));
    LLVMTypeRef i32 = LLVMInt32TypeInContext(b->llvm);
    LLVMValueRef single = LLVMBuildInsertElement(b->builder, LLVMGetPoison(type), scalar,
                                                 LLVMConstInt(i32, 0, false), "");
    return LLVMBuildShuffleVector(b->builder, single, LLVMGetPoison(type),
                                  LLVMConstNull(LLVMVectorType(i32, lanes_of(b))), "");
}

/* 32 bits are enough for a lane's number, and halve the mask's registers. */
LLVMValueRef ran_build_lane_mask(ran_llvm *b, LLVMValueRef limit)
{
    LLVMTypeRef i32 = LLVMInt32TypeInContext(b->llvm);
    LLVMValueRef numbers[64];
    LLVMValueRef most = ran_build_i64(b, b->target->lanes), none = ran_build_i64(b, 0);
    for (unsigned i = 0; i < lanes_of(b); i++)
        numbers[i] = LLVMConstInt(i32, i, false);
    limit = LLVMBuildSelect(b->builder, LLVMBuildICmp(b->builder, LLVMIntSGT, limit, most, ""),
                            most, limit, "");
    limit = LLVMBuildSelect(b->builder, LLVMBuildICmp(b->builder, LLVMIntSLT, limit, none, ""),
                            none, limit, "");
    LLVMValueRef limits = broadcast(b, LLVMBuildTrunc(b->builder, limit, i32, ""));
    return LLVMBuildICmp(b->builder, LLVMIntSLT, LLVMConstVector(numbers, lanes_of(b)), limits, "");
}

ran_vector ran_build_zero_lanes(ran_llvm *b, ran_vector vector, LLVMValueRef mask)
{
    LLVMValueRef zero = LLVMConstNull(LLVMTypeOf(vector.value));
    return (ran_vector){LLVMBuildSelect(b->builder, mask, vector.value, zero, ""), vector.elem};
}

/* ---- f16 and bf16 ------------------------------------------------------------------------------- */

static LLVMValueRef vecmath_function(ran_llvm *b, const char *name)
{
    LLVMValueRef function = LLVMGetNamedFunction(b->module, name);
    LLVMValueRef model = function ? NULL : LLVMGetNamedFunction(b->vecmath, name);
    if (model)
        function = LLVMAddFunction(b->module, name, LLVMGlobalGetValueType(model));
    b->uses_vecmath = true;
    return function;
}

static LLVMValueRef spill(ran_llvm *b, LLVMValueRef value)
{
    LLVMValueRef slot = ran_build_alloca(b, LLVMTypeOf(value), "");
    LLVMBuildStore(b->builder, value, slot);
    return slot;
}

static LLVMValueRef call_conversion(ran_llvm *b, const char *kind, ran_elem elem,
                                    LLVMValueRef value, LLVMTypeRef result_type)
{
    char name[64];
    snprintf(name, sizeof(name), "ran_ew_%s_%s", kind, ran_elem_name(elem));
    LLVMValueRef function = vecmath_function(b, name);
    RAN_ASSERT(b->context, function);
    LLVMValueRef result = ran_build_alloca(b, result_type, "");
    LLVMValueRef arguments[] = {result, spill(b, value)};
    ran_build_call(b, function, arguments, 2);
    return LLVMBuildLoad2(b->builder, result_type, result, "");
}

static LLVMValueRef to_computed(ran_llvm *b, ran_elem elem, LLVMValueRef stored)
{
    return is_small_float(elem)
               ? call_conversion(b, "load", elem, stored, ran_build_vector_type(b, elem))
               : stored;
}

static LLVMValueRef to_stored(ran_llvm *b, ran_vector vector)
{
    return is_small_float(vector.elem)
               ? call_conversion(b, "store", vector.elem, vector.value,
                                 storage_vector_type(b, vector.elem))
               : vector.value;
}

/* ---- Memory ---------------------------------------------------------------------------------------- */

static LLVMValueRef element_address(ran_llvm *b, ran_elem elem, LLVMValueRef pointer,
                                    LLVMValueRef offset)
{
    return LLVMBuildGEP2(b->builder, ran_build_storage_type(b, elem), pointer, &offset, 1, "");
}

static bool is_constant(LLVMValueRef value, int64_t number)
{
    return LLVMIsAConstantInt(value) && LLVMConstIntGetSExtValue(value) == number;
}

static LLVMValueRef masked_intrinsic(ran_llvm *b, const char *name, LLVMTypeRef vector)
{
    LLVMTypeRef overload[] = {vector, ran_build_pointer_type(b)};
    return LLVMGetIntrinsicDeclaration(b->module, LLVMLookupIntrinsicID(name, strlen(name)),
                                       overload, 2);
}

static LLVMValueRef load_contiguous(ran_llvm *b, ran_elem elem, LLVMValueRef address,
                                    LLVMValueRef lanes)
{
    LLVMTypeRef type = storage_vector_type(b, elem);
    if (!lanes) {
        LLVMValueRef load = LLVMBuildLoad2(b->builder, type, address, "");
        LLVMSetAlignment(load, alignment(elem));
        return load;
    }
    LLVMTypeRef i32 = LLVMInt32TypeInContext(b->llvm);
    LLVMValueRef arguments[] = {address, LLVMConstInt(i32, alignment(elem), false),
                                ran_build_lane_mask(b, lanes), LLVMConstNull(type)};
    return ran_build_call(b, masked_intrinsic(b, "llvm.masked.load", type), arguments, 4);
}

static LLVMValueRef load_scalar(ran_llvm *b, ran_elem elem, LLVMValueRef address)
{
    LLVMValueRef load =
        LLVMBuildLoad2(b->builder, ran_build_storage_type(b, elem), address, "");
    LLVMSetAlignment(load, alignment(elem));
    return load;
}

/* Lane numbers behind the end read the first element again, then count as zero. */
static LLVMValueRef clamped_lane(ran_llvm *b, unsigned lane, LLVMValueRef lanes)
{
    LLVMValueRef number = ran_build_i64(b, lane);
    if (!lanes || lane == 0)
        return number;
    LLVMValueRef inside = LLVMBuildICmp(b->builder, LLVMIntSLT, number, lanes, "");
    return LLVMBuildSelect(b->builder, inside, number, ran_build_i64(b, 0), "");
}

static LLVMValueRef load_strided(ran_llvm *b, ran_elem elem, LLVMValueRef base,
                                 LLVMValueRef stride, LLVMValueRef lanes)
{
    LLVMTypeRef i32 = LLVMInt32TypeInContext(b->llvm);
    LLVMValueRef vector = LLVMGetPoison(storage_vector_type(b, elem));
    for (unsigned i = 0; i < lanes_of(b); i++) {
        LLVMValueRef offset = ran_build_mul(b, clamped_lane(b, i, lanes), stride);
        LLVMValueRef element = load_scalar(b, elem, element_address(b, elem, base, offset));
        vector = LLVMBuildInsertElement(b->builder, vector, element, LLVMConstInt(i32, i, false),
                                        "");
    }
    if (!lanes)
        return vector;
    return LLVMBuildSelect(b->builder, ran_build_lane_mask(b, lanes), vector,
                           LLVMConstNull(LLVMTypeOf(vector)), "");
}

ran_vector ran_build_load(ran_llvm *b, ran_elem elem, LLVMValueRef pointer, LLVMValueRef offset,
                          LLVMValueRef stride, LLVMValueRef lanes)
{
    LLVMValueRef address = element_address(b, elem, pointer, offset), stored;
    if (is_constant(stride, 0))
        stored = broadcast(b, load_scalar(b, elem, address));
    else if (is_constant(stride, 1))
        stored = load_contiguous(b, elem, address, lanes);
    else
        stored = load_strided(b, elem, address, stride, lanes);
    return (ran_vector){to_computed(b, elem, stored), elem};
}

static void store_contiguous(ran_llvm *b, ran_elem elem, LLVMValueRef stored,
                             LLVMValueRef address, LLVMValueRef lanes)
{
    if (!lanes) {
        LLVMSetAlignment(LLVMBuildStore(b->builder, stored, address), alignment(elem));
        return;
    }
    LLVMTypeRef i32 = LLVMInt32TypeInContext(b->llvm);
    LLVMValueRef arguments[] = {stored, address, LLVMConstInt(i32, alignment(elem), false),
                                ran_build_lane_mask(b, lanes)};
    ran_build_call(b, masked_intrinsic(b, "llvm.masked.store", LLVMTypeOf(stored)), arguments, 4);
}

struct lane_store {
    LLVMValueRef element, address;
    unsigned alignment;
};

static void store_lane(ran_llvm *b, void *data, bool inside)
{
    struct lane_store *lane = data;
    if (inside)
        LLVMSetAlignment(LLVMBuildStore(b->builder, lane->element, lane->address),
                         lane->alignment);
}

static void store_strided(ran_llvm *b, ran_elem elem, LLVMValueRef stored, LLVMValueRef base,
                          LLVMValueRef stride, LLVMValueRef lanes)
{
    LLVMTypeRef i32 = LLVMInt32TypeInContext(b->llvm);
    for (unsigned i = 0; i < lanes_of(b); i++) {
        LLVMValueRef number = ran_build_i64(b, i);
        struct lane_store lane = {
            LLVMBuildExtractElement(b->builder, stored, LLVMConstInt(i32, i, false), ""),
            element_address(b, elem, base, ran_build_mul(b, number, stride)), alignment(elem)};
        if (lanes)
            ran_build_if(b, LLVMBuildICmp(b->builder, LLVMIntSLT, number, lanes, ""), store_lane,
                         &lane);
        else
            store_lane(b, &lane, true);
    }
}

void ran_build_store(ran_llvm *b, ran_vector vector, LLVMValueRef pointer, LLVMValueRef offset,
                     LLVMValueRef stride, LLVMValueRef lanes)
{
    LLVMValueRef stored = to_stored(b, vector);
    LLVMValueRef address = element_address(b, vector.elem, pointer, offset);
    if (is_constant(stride, 1))
        store_contiguous(b, vector.elem, stored, address, lanes);
    else
        store_strided(b, vector.elem, stored, address, stride, lanes);
}

ran_vector ran_build_load_computed(ran_llvm *b, ran_elem elem, LLVMValueRef pointer)
{
    LLVMValueRef load =
        LLVMBuildLoad2(b->builder, ran_build_vector_type(b, elem), pointer, "");
    LLVMSetAlignment(load, alignment(computed_elem(elem)));
    return (ran_vector){load, elem};
}

ran_vector ran_build_load_stored(ran_llvm *b, ran_elem elem, LLVMValueRef pointer)
{
    return (ran_vector){to_computed(b, elem, load_contiguous(b, elem, pointer, NULL)), elem};
}

void ran_build_store_computed(ran_llvm *b, ran_vector vector, LLVMValueRef pointer)
{
    LLVMSetAlignment(LLVMBuildStore(b->builder, vector.value, pointer),
                     alignment(computed_elem(vector.elem)));
}

ran_vector ran_build_splat(ran_llvm *b, const ran_tensor *scalar)
{
    ran_elem elem = ran_tensor_elem(scalar), computed = computed_elem(elem);
    LLVMTypeRef type = ran_build_storage_type(b, computed);
    LLVMValueRef value =
        ran_elem_is_float(computed)
            ? LLVMConstReal(type, ran_tensor_get_f64(scalar, 0))
            : LLVMConstInt(type, (uint64_t)ran_tensor_get_i64(scalar, 0), true);
    return (ran_vector){broadcast(b, value), elem};
}

/* ---- Elementwise ops ------------------------------------------------------------------------------- */

static LLVMValueRef saturating(ran_llvm *b, const char *name, LLVMValueRef value, LLVMTypeRef to)
{
    LLVMTypeRef overload[] = {to, LLVMTypeOf(value)};
    LLVMValueRef function = LLVMGetIntrinsicDeclaration(
        b->module, LLVMLookupIntrinsicID(name, strlen(name)), overload, 2);
    return ran_build_call(b, function, &value, 1);
}

static LLVMValueRef bool_of(ran_llvm *b, ran_vector x)
{
    LLVMValueRef zero = LLVMConstNull(LLVMTypeOf(x.value));
    LLVMValueRef bit =
        ran_elem_is_float(x.elem)
            ? LLVMBuildFCmp(b->builder, LLVMRealUNE, x.value, zero, "")
            : LLVMBuildICmp(b->builder, LLVMIntNE, x.value, zero, "");
    return LLVMBuildZExt(b->builder, bit, storage_vector_type(b, RAN_ELEM_BOOL), "");
}

static LLVMValueRef from_float(ran_llvm *b, ran_vector x, ran_elem to, LLVMTypeRef type)
{
    if (ran_elem_is_float(to))
        return LLVMBuildFPCast(b->builder, x.value, type, "");
    return saturating(b, ran_elem_is_signed_int(to) ? "llvm.fptosi.sat" : "llvm.fptoui.sat",
                      x.value, type);
}

static LLVMValueRef from_int(ran_llvm *b, ran_vector x, ran_elem to, LLVMTypeRef type)
{
    bool is_signed = ran_elem_is_signed_int(x.elem);
    if (!ran_elem_is_float(to))
        return LLVMBuildIntCast2(b->builder, x.value, type, is_signed, "");
    return is_signed ? LLVMBuildSIToFP(b->builder, x.value, type, "")
                     : LLVMBuildUIToFP(b->builder, x.value, type, "");
}

/* Rounds a value that is computed wider than it is kept, as the reference does after every op. */
static ran_vector rounded(ran_llvm *b, ran_vector vector)
{
    if (is_small_float(vector.elem))
        vector.value = to_computed(b, vector.elem, to_stored(b, vector));
    return vector;
}

static ran_vector cast(ran_llvm *b, ran_vector x, ran_elem to)
{
    LLVMTypeRef type = ran_build_vector_type(b, to);
    LLVMValueRef value = to == RAN_ELEM_BOOL ? bool_of(b, x)
                         : ran_elem_is_float(x.elem)
                             ? from_float(b, (ran_vector){x.value, computed_elem(x.elem)},
                                          computed_elem(to), type)
                             : from_int(b, x, computed_elem(to), type);
    return rounded(b, (ran_vector){value, to});
}

static ran_vector where(ran_llvm *b, const ran_vector *operands)
{
    LLVMValueRef zero = LLVMConstNull(LLVMTypeOf(operands[0].value));
    LLVMValueRef mask = LLVMBuildICmp(b->builder, LLVMIntNE, operands[0].value, zero, "");
    return (ran_vector){
        LLVMBuildSelect(b->builder, mask, operands[1].value, operands[2].value, ""),
        operands[1].elem};
}

/* Absent bounds of clip: the type's own. */
static ran_vector bound(ran_llvm *b, ran_elem elem, bool upper)
{
    LLVMTypeRef type = ran_build_storage_type(b, computed_elem(elem));
    unsigned bits = ran_elem_bits(elem);
    LLVMValueRef value;
    if (ran_elem_is_float(elem))
        value = LLVMConstReal(type, upper ? __builtin_inf() : -__builtin_inf());
    else if (ran_elem_is_signed_int(elem))
        value = LLVMConstInt(type, upper ? (1ull << (bits - 1)) - 1 : 1ull << (bits - 1), false);
    else
        value = LLVMConstInt(type, upper ? ~0ull : 0, false);
    return (ran_vector){broadcast(b, value), elem};
}

/* Attributes as vecmath/elementwise.c documents them: those of a row, or of ops without one. */
static size_t scalar_attrs(const ran_op *op, double out[4])
{
    switch (op->opcode) {
    case RAN_OP_MOD:
        out[0] = (double)ran_op_int(op, "fmod");
        return 1;
    case RAN_OP_BIT_SHIFT:
        out[0] = !strcmp(ran_op_string(op, "direction"), "LEFT");
        return 1;
    case RAN_OP_IS_INF:
        out[0] = (double)ran_op_int(op, "detect_negative");
        out[1] = (double)ran_op_int(op, "detect_positive");
        return 2;
    default:
        return ran_op_scalar_attrs(op, out);
    }
}

static ran_status call_vecmath(ran_llvm *b, const ran_op *op, const ran_vector *operands,
                               size_t count, ran_vector *out_result)
{
    char name[96];
    ran_elem elem = computed_elem(operands[0].elem);
    snprintf(name, sizeof(name), "ran_ew_%s_%s", ran_opcode_name(op->opcode), ran_elem_name(elem));
    LLVMValueRef function = vecmath_function(b, name);
    if (!function)
        return ran_op_error(op, RAN_UNSUPPORTED,
                            "there is no kernel for element type %s; cast its operands to f32",
                            ran_elem_name(operands[0].elem));
    double scalars[4] = {0}; /* every function takes two */
    size_t scalar_count = scalar_attrs(op, scalars);
    scalar_count = scalar_count < 2 ? 2 : scalar_count;
    ran_elem result_elem = ran_type_elem(ran_value_type(ran_op_result(op, 0)));
    LLVMTypeRef type = ran_build_vector_type(b, result_elem);
    LLVMValueRef arguments[16], result = ran_build_alloca(b, type, "");
    unsigned n = 0;
    arguments[n++] = result;
    for (size_t i = 0; i < count; i++)
        arguments[n++] = spill(b, operands[i].value);
    for (size_t i = 0; i < scalar_count; i++)
        arguments[n++] = LLVMConstReal(LLVMDoubleTypeInContext(b->llvm), scalars[i]);
    RAN_ASSERT(b->context, LLVMCountParams(function) == n);
    ran_build_call(b, function, arguments, n);
    *out_result = rounded(
        b, (ran_vector){LLVMBuildLoad2(b->builder, type, result, ""), result_elem});
    return RAN_OK;
}

static ran_status clip(ran_llvm *b, const ran_op *op, const ran_vector *operands,
                       ran_vector *out_result)
{
    ran_vector all[3] = {operands[0], operands[1], operands[2]};
    for (size_t i = 1; i < 3; i++)
        if (!all[i].value)
            all[i] = bound(b, operands[0].elem, i == 2);
    return call_vecmath(b, op, all, 3, out_result);
}

/* Prelu and pow may mix types; the other operands follow the first. */
static ran_vector converted(ran_llvm *b, ran_vector x, ran_elem to)
{
    return x.elem == to ? x : cast(b, x, to);
}

ran_status ran_build_elementwise(ran_llvm *b, const ran_op *op, const ran_vector *operands,
                                 ran_vector *out_result)
{
    switch (op->opcode) {
    case RAN_OP_CAST:
        *out_result = cast(b, operands[0], ran_type_elem(ran_value_type(ran_op_result(op, 0))));
        return RAN_OK;
    case RAN_OP_WHERE:
        *out_result = where(b, operands);
        return RAN_OK;
    case RAN_OP_CLIP:
        return clip(b, op, operands, out_result);
    default:
        break;
    }
    ran_vector same[4];
    for (size_t i = 0; i < op->operand_count && i < 4; i++)
        same[i] = converted(b, operands[i], operands[0].elem);
    return call_vecmath(b, op, same, op->operand_count, out_result);
}
